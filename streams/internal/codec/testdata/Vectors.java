// Records the vectors beside this file from Kafka Streams' own classes, many of which are not public:
//
//	javac -cp "$KAFKA/libs/*" -d /tmp/vectors Vectors.java
//	java -cp "/tmp/vectors:$KAFKA/libs/*" Vectors > vectors.txt
//
// A line is the name of a format, its parts and the bytes, all separated by spaces; bytes are hexadecimal with a leading
// x, null is -, and lists are joined by commas in brackets. A number as argument is another seed.

import java.lang.reflect.Constructor;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.*;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.*;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.common.utils.Utils;
import org.apache.kafka.streams.kstream.*;
import org.apache.kafka.streams.kstream.internals.*;
import org.apache.kafka.streams.processor.internals.*;

public class Vectors {
    static final Random random = new Random();
    static final String S = "org.apache.kafka.streams.";
    static final Serializer<byte[]> BYTES = new ByteArraySerializer();
    static final Headers NONE = new RecordHeaders();

    public static void main(String[] args) throws Exception {
        random.setSeed(args.length > 0 ? Long.parseLong(args[0]) : 20261122);
        for (int i = 0; i < 12; i++) windows();
        for (int i = 0; i < 12; i++) values();
        for (int i = 0; i < 12; i++) changes();
        for (int i = 0; i < 12; i++) foreign();
        for (int i = 0; i < 24; i++) buffers();
        for (int i = 0; i < 12; i++) lists();
        metadata();
        for (int i = 0; i < 40; i++) hashes(i);
        serdes();
    }

    static void windows() throws Exception {
        byte[] key = bytes();
        long start = time(), end = start + (time() >>> 8);
        int seq = random.nextInt(4) == 0 ? 0 : random.nextInt() & 0x7fffffff;
        TimeWindow tw = new TimeWindow(start, Math.max(end, start + 1));
        out("time-window", key, start, new TimeWindowedSerializer<>(BYTES).serialize("t", new Windowed<>(key, tw)));
        out("session", key, start, end, new SessionWindowedSerializer<>(BYTES).serialize("t", new Windowed<>(key, new SessionWindow(start, end))));
        out("session", key, start, end, SessionKey(key, start, end));
        Class<?> ks = Class.forName(S + "state.internals.WindowKeySchema");
        out("window", key, start, seq, call(ks, null, "toStoreKeyBinary", new Class<?>[] {Bytes.class, long.class, int.class}, Bytes.wrap(key), start, seq));
        ks = Class.forName(S + "state.internals.PrefixedWindowKeySchemas$TimeFirstWindowKeySchema");
        out("time-first", key, start, seq, call(ks, null, "toStoreKeyBinary", new Class<?>[] {byte[].class, long.class, int.class}, key, start, seq));

        boolean left = random.nextBoolean();
        Class<?> side = Class.forName(S + "state.internals.TimestampedKeyAndJoinSide");
        Object o = call(side, null, left ? "makeLeft" : "makeRight", new Class<?>[] {Object.class, long.class}, key, start);
        out("outer-key", start, left ? 1 : 0, key, serialize(S + "state.internals.TimestampedKeyAndJoinSideSerializer", new Class<?>[] {Serializer.class}, new Object[] {BYTES}, o));
        Class<?> lor = Class.forName(S + "state.internals.LeftOrRightValue");
        o = call(lor, null, left ? "makeLeftValue" : "makeRightValue", new Class<?>[] {Object.class}, key);
        out("outer-value", left ? 1 : 0, key, serialize(S + "state.internals.LeftOrRightValueSerializer", new Class<?>[] {Serializer.class, Serializer.class}, new Object[] {BYTES, BYTES}, o));
    }

    static byte[] SessionKey(byte[] key, long start, long end) throws Exception {
        Class<?> ks = Class.forName(S + "state.internals.SessionKeySchema");
        return ((Bytes) call(ks, null, "toBinary", new Class<?>[] {Bytes.class, long.class, long.class}, Bytes.wrap(key), start, end)).get();
    }

    static void values() throws Exception {
        byte[] value = bytes();
        long ts = time();
        RecordHeaders headers = headers();
        out("stamped", ts, value, serialize(S + "state.internals.ValueAndTimestampSerializer", new Class<?>[] {Serializer.class}, new Object[] {BYTES},
            call(Class.forName(S + "state.ValueAndTimestamp"), null, "make", new Class<?>[] {Object.class, long.class}, value, ts)));
        out("stamped-headers", headers, ts, value, serialize(S + "state.internals.ValueTimestampHeadersSerializer", new Class<?>[] {Serializer.class}, new Object[] {BYTES},
            call(Class.forName(S + "state.ValueTimestampHeaders"), null, "make", new Class<?>[] {Object.class, long.class, Headers.class}, value, ts, headers)));
        out("value-headers", headers, value, serialize(S + "state.internals.AggregationWithHeadersSerializer", new Class<?>[] {Serializer.class}, new Object[] {BYTES},
            call(Class.forName(S + "state.AggregationWithHeaders"), null, "make", new Class<?>[] {Object.class, Headers.class}, value, headers)));
    }

    static void changes() throws Exception {
        byte[] a = random.nextInt(4) == 0 ? null : bytes(), b = a == null || random.nextBoolean() ? bytes() : null;
        out("change", a, b, new ChangedSerializer<>(BYTES).serialize("t", NONE, new Change<>(a, b)));
        byte[] raw = new byte[2 + random.nextInt(8)];
        random.nextBytes(raw);
        raw[raw.length - 1] = (byte) (3 + random.nextInt(3));
        raw[raw.length - 2] = (byte) random.nextInt(2);
        raw[0] = raw.length > 2 ? 0 : raw[0];
        if (raw.length > 2 || raw[1] != 5) {
            Change<byte[]> c = new ChangedDeserializer<>(new ByteArrayDeserializer()).deserialize("t", NONE, raw);
            out("change-latest", c.newValue, c.oldValue, c.isLatest ? 1 : 0, raw);
        }
    }

    static void foreign() throws Exception {
        byte[] pk = bytes(), fk = bytes();
        long[] hash = random.nextInt(3) == 0 ? null : new long[] {random.nextLong(), random.nextLong()};
        Class<?> instruction = Class.forName(S + "kstream.internals.foreignkeyjoin.SubscriptionWrapper$Instruction");
        Object in = instruction.getEnumConstants()[random.nextInt(4)];
        int version = random.nextInt(2), partition = random.nextInt() & 0x7fffffff;
        Class<?> w = Class.forName(S + "kstream.internals.foreignkeyjoin.SubscriptionWrapper");
        Constructor<?> c = w.getDeclaredConstructor(long[].class, instruction, Object.class, byte.class, Integer.class);
        c.setAccessible(true);
        Object sub = c.newInstance(hash, in, pk, (byte) version, version == 0 ? null : (Integer) partition);
        java.util.function.Supplier<String> topic = () -> "t";
        Object serde = make(S + "kstream.internals.foreignkeyjoin.SubscriptionWrapperSerde", new Class<?>[] {java.util.function.Supplier.class, Serde.class}, topic, Serdes.ByteArray());
        Object code = call(instruction, in, "value", new Class<?>[] {});
        out("subscription", version, code, hash(hash), pk, version == 0 ? 0 : partition, ((Serde<Object>) serde).serializer().serialize("t", NONE, sub));

        byte[] right = random.nextInt(3) == 0 ? null : bytes();
        w = Class.forName(S + "kstream.internals.foreignkeyjoin.SubscriptionResponseWrapper");
        c = w.getDeclaredConstructor(long[].class, Object.class, Integer.class);
        c.setAccessible(true);
        serde = make(S + "kstream.internals.foreignkeyjoin.SubscriptionResponseWrapperSerde", new Class<?>[] {Serde.class}, Serdes.ByteArray());
        out("response", hash(hash), right, ((Serde<Object>) serde).serializer().serialize("t", NONE, c.newInstance(hash, right, 3)));

        Class<?> ks = Class.forName(S + "kstream.internals.foreignkeyjoin.CombinedKeySchema");
        Object schema = make(ks.getName(), new Class<?>[] {java.util.function.Supplier.class, Serde.class, java.util.function.Supplier.class, Serde.class}, topic, Serdes.ByteArray(), topic, Serdes.ByteArray());
        for (String f : new String[] {"primaryKeySerdeTopic", "foreignKeySerdeTopic"}) {
            java.lang.reflect.Field field = ks.getDeclaredField(f);
            field.setAccessible(true);
            field.set(schema, "t");
        }
        out("foreign-key", fk, pk, call(ks, schema, "toBytes", new Class<?>[] {Object.class, Object.class, Headers.class}, fk, pk, NONE));
        out("foreign-key", fk, new byte[0], call(ks, schema, "prefixBytes", new Class<?>[] {Object.class, Headers.class}, fk, NONE));
    }

    static void buffers() throws Exception {
        byte[] prior = maybe(), old = random.nextInt(3) == 0 ? prior == null ? null : prior.clone() : maybe(), now = maybe();
        RecordHeaders headers = headers();
        String topic = random.nextBoolean() ? "orders" : "zürich-𝄞";
        long ts = time(), offset = time(), bufferTime = time();
        int partition = random.nextInt(100);
        ProcessorRecordContext context = new ProcessorRecordContext(ts, offset, partition, topic, headers);
        Class<?> bv = Class.forName(S + "state.internals.BufferValue");
        Object v = make(bv.getName(), new Class<?>[] {byte[].class, byte[].class, byte[].class, ProcessorRecordContext.class}, prior, old, now, context);
        ByteBuffer b = (ByteBuffer) call(bv, v, "serialize", new Class<?>[] {int.class}, 8);
        b.putLong(bufferTime);
        Object size = call(bv, v, "residentMemorySizeEstimate", new Class<?>[] {});
        out("buffer", ts, offset, topic.getBytes(StandardCharsets.UTF_8), partition, headers, prior, old, now, bufferTime, size, b.array());
    }

    static void lists() throws Exception {
        List<byte[]> items = new ArrayList<>();
        List<Integer> numbers = new ArrayList<>();
        for (int i = random.nextInt(5); i > 0; i--) {
            items.add(maybe());
            numbers.add(random.nextInt(3) == 0 ? null : random.nextInt());
        }
        out("list", items, Serdes.ListSerde(ArrayList.class, Serdes.ByteArray()).serializer().serialize("t", items));
        out("list-int32", numbers, Serdes.ListSerde(ArrayList.class, Serdes.Integer()).serializer().serialize("t", numbers));
    }

    static void metadata() throws Exception {
        Map<String, Long> none = new HashMap<>(), one = Map.of("emitted", 12L), two = new TreeMap<>(Map.of("a", -1L, "ü", Long.MAX_VALUE));
        for (long ts : new long[] {-1, 0, 1700000000000L})
            for (Map<String, Long> m : List.of(none, one, two)) {
                String text = new TopicPartitionMetadata(ts, new ProcessorMetadata(m)).encode();
                List<byte[]> names = new ArrayList<>();
                List<Long> numbers = new ArrayList<>();
                for (Map.Entry<String, Long> e : m.entrySet()) {
                    names.add(e.getKey().getBytes(StandardCharsets.UTF_8));
                    numbers.add(e.getValue());
                }
                out("offset-metadata", ts, names, numbers, text.getBytes());
            }
    }

    static void hashes(int n) throws Exception {
        byte[] b = new byte[n];
        random.nextBytes(b);
        out("partition", b, 7, Utils.toPositive(Utils.murmur2(b)) % 7, Utils.murmur2(b));
        long[] h = (long[]) call(Class.forName(S + "state.internals.Murmur3"), null, "hash128", new Class<?>[] {byte[].class}, b);
        out("murmur3", b, hash(h));
    }

    static void serdes() throws Exception {
        for (int v : new int[] {0, 1, -1, Integer.MAX_VALUE, Integer.MIN_VALUE}) out("int32", v, new IntegerSerializer().serialize("t", v));
        for (short v : new short[] {0, 1, -1, Short.MAX_VALUE, Short.MIN_VALUE}) out("int16", v, new ShortSerializer().serialize("t", v));
        for (long v : new long[] {0, 1, -1, Long.MAX_VALUE, Long.MIN_VALUE}) out("int64", v, new LongSerializer().serialize("t", v));
        for (double v : new double[] {0, -0.0, 1.5, -1e300, Double.MIN_VALUE, Double.POSITIVE_INFINITY, Double.NaN}) out("float64", text("" + v), new DoubleSerializer().serialize("t", v));
        for (float v : new float[] {0, -0.0f, 1.5f, -1e30f, Float.MIN_VALUE, Float.NEGATIVE_INFINITY}) out("float32", text("" + v), new FloatSerializer().serialize("t", v));
        for (boolean v : new boolean[] {false, true}) out("bool", v ? 1 : 0, new BooleanSerializer().serialize("t", v));
        for (String v : new String[] {"", "a", "zürich", "𝄞", "\u0000"}) out("string", text(v), new StringSerializer().serialize("t", v));
        for (UUID v : new UUID[] {new UUID(0, 0), new UUID(-1, -1), new UUID(0x0123456789abcdefL, 0xfedcba9876543210L)})
            out("uuid", ByteBuffer.allocate(16).putLong(v.getMostSignificantBits()).putLong(v.getLeastSignificantBits()).array(), new UUIDSerializer().serialize("t", v));
        for (int i = 0; i < 6; i++) {
            List<byte[]> strings = new ArrayList<>();
            List<String> texts = new ArrayList<>();
            List<byte[]> ids = new ArrayList<>();
            List<UUID> uuids = new ArrayList<>();
            List<Long> longs = new ArrayList<>();
            for (int n = random.nextInt(4); n > 0; n--) {
                String t = random.nextInt(3) == 0 ? null : "s" + random.nextInt(1000);
                texts.add(t);
                strings.add(t == null ? null : t.getBytes());
                longs.add(random.nextInt(3) == 0 ? null : random.nextLong());
                UUID u = random.nextInt(3) == 0 ? null : new UUID(random.nextLong(), random.nextLong());
                uuids.add(u);
                ids.add(u == null ? null : ByteBuffer.allocate(16).putLong(u.getMostSignificantBits()).putLong(u.getLeastSignificantBits()).array());
            }
            out("list-string", strings, Serdes.ListSerde(ArrayList.class, Serdes.String()).serializer().serialize("t", texts));
            out("list-int64", longs, Serdes.ListSerde(ArrayList.class, Serdes.Long()).serializer().serialize("t", longs));
            out("list-uuid", ids, Serdes.ListSerde(ArrayList.class, Serdes.UUID()).serializer().serialize("t", uuids));
            long start = time(), end = start + 60000;
            out("windowed-string", text("k" + i), start, end, new TimeWindowedSerializer<>(new StringSerializer()).serialize("t", new Windowed<>("k" + i, new TimeWindow(start, end))));
            out("session-string", text("k" + i), start, end, new SessionWindowedSerializer<>(new StringSerializer()).serialize("t", new Windowed<>("k" + i, new SessionWindow(start, end))));
        }
    }

    // --- values at random ---

    static byte[] bytes() {
        byte[] b = new byte[random.nextInt(5) == 0 ? 0 : random.nextInt(5) == 0 ? 70 : random.nextInt(9)];
        random.nextBytes(b);
        return b;
    }

    static byte[] maybe() { return random.nextInt(4) == 0 ? null : bytes(); }

    static long time() { return random.nextInt(4) == 0 ? 0 : random.nextLong() & 0x3fffffffffffL; }

    static RecordHeaders headers() {
        RecordHeaders h = new RecordHeaders();
        for (int i = random.nextInt(3); i > 0; i--) h.add(random.nextBoolean() ? "k" + i : "", maybe());
        return h;
    }

    static byte[] hash(long[] h) { return h == null ? null : ByteBuffer.allocate(16).putLong(h[0]).putLong(h[1]).array(); }

    static byte[] text(String s) { return s.getBytes(StandardCharsets.UTF_8); }

    // --- classes that are not public ---

    static Object make(String type, Class<?>[] types, Object... args) throws Exception {
        Constructor<?> c = Class.forName(type).getDeclaredConstructor(types);
        c.setAccessible(true);
        return c.newInstance(args);
    }

    static Object call(Class<?> c, Object on, String name, Class<?>[] types, Object... args) throws Exception {
        Method m = c.getDeclaredMethod(name, types);
        m.setAccessible(true);
        return m.invoke(on, args);
    }

    static byte[] serialize(String type, Class<?>[] types, Object[] args, Object value) throws Exception {
        return ((Serializer<Object>) make(type, types, args)).serialize("t", NONE, value);
    }

    // --- lines ---

    static void out(String name, Object... parts) {
        StringBuilder line = new StringBuilder(name);
        for (Object part : parts) line.append(' ').append(show(part));
        System.out.println(line);
    }

    static String show(Object o) {
        if (o == null) return "-";
        if (o instanceof Bytes) return show(((Bytes) o).get());
        if (o instanceof byte[]) return "x" + HexFormat.of().formatHex((byte[]) o);
        List<String> parts = new ArrayList<>();
        if (o instanceof Headers) {
            for (Header h : (Headers) o) parts.add(show(text(h.key())) + "=" + show(h.value()));
        } else if (o instanceof List) {
            for (Object e : (List<?>) o) parts.add(show(e));
        } else {
            return o.toString();
        }
        return "[" + String.join(",", parts) + "]";
    }
}
