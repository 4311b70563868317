import java.io.*;
import java.math.*;
import java.nio.charset.StandardCharsets;
import java.time.*;
import java.util.*;

/** Answers questions about numbers and texts, one a line, as Java answers them: a letter and its arguments, separated by tabs. */
public class Answers {
  public static void main(String[] args) throws IOException {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    PrintStream out = new PrintStream(new BufferedOutputStream(System.out, 1 << 16), false, "UTF-8");
    out.println(Runtime.version().feature());
    for (String line; (line = in.readLine()) != null; ) {
      String answer;
      try {
        answer = answer(line.split("\t", -1));
      } catch (ArithmeticException | NumberFormatException e) {
        answer = "error";
      }
      out.println(answer);
    }
    out.flush();
  }

  static String answer(String[] q) {
    switch (q[0]) {
      case "double":
        return Double.toString(Double.longBitsToDouble(Long.parseUnsignedLong(q[1], 16)));
      case "float":
        return Float.toString(Float.intBitsToFloat(Integer.parseUnsignedInt(q[1], 16)));
      case "parse":
        return Long.toHexString(Double.doubleToLongBits(Double.parseDouble(q[1])));
      case "decimal": {
        BigDecimal d = new BigDecimal(q[1]);
        return d + " " + d.precision() + " " + d.scale() + " " + d.longValue() + " " + Long.toHexString(Double.doubleToLongBits(d.doubleValue()))
            + (Math.abs((long) d.scale()) < 100 ? " " + d.toPlainString() : "");
      }
      case "arith": {
        BigDecimal a = new BigDecimal(q[1]), b = new BigDecimal(q[2]);
        int scale = Integer.parseInt(q[3]);
        return a.add(b) + " " + a.subtract(b) + " " + a.multiply(b) + " " + a.compareTo(b) + " " + a.setScale(scale, RoundingMode.HALF_UP) + " "
            + a.setScale(scale, RoundingMode.HALF_DOWN) + " " + a.setScale(scale, RoundingMode.DOWN) + " "
            + (b.signum() == 0 ? "error" : a.divide(b, scale, RoundingMode.HALF_UP) + " " + a.remainder(b).setScale(Math.max(a.scale(), b.scale())));
      }
      case "map": {
        Map<String, Integer> m = new HashMap<>();
        String[] keys = q[1].split(" ");
        for (int i = 0; i < keys.length; i++) {
          m.put(keys[i], i);
        }
        StringBuilder b = new StringBuilder();
        m.values().forEach(i -> b.append(i).append(' '));
        return b.toString();
      }
      case "utf8": {
        byte[] raw = new byte[q[1].length() / 2];
        for (int i = 0; i < raw.length; i++) {
          raw[i] = (byte) Integer.parseInt(q[1].substring(2 * i, 2 * i + 2), 16);
        }
        StringBuilder b = new StringBuilder();
        for (byte x : new String(raw, StandardCharsets.UTF_8).getBytes(StandardCharsets.UTF_8)) {
          b.append(String.format("%02x", x));
        }
        return b.toString();
      }
      case "compare":
        return Integer.toString(Integer.signum(q[1].compareTo(q[2])));
      case "date":
        return LocalDate.ofEpochDay(Integer.parseInt(q[1])).toString();
      default:
        return "what?";
    }
  }
}
