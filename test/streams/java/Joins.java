import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.StreamJoined;

/** Joins of a stream with a stream, a table or a global table. */
final class Joins {
    private Joins() {
    }

    static final Map<String, JoinWindows> WINDOWS = new LinkedHashMap<>();

    static {
        WINDOWS.put("sym", JoinWindows.ofTimeDifferenceWithNoGrace(Program.ms(10)));
        WINDOWS.put("asym", JoinWindows.ofTimeDifferenceAndGrace(Program.ms(0), Program.ms(10)).before(Program.ms(5)).after(Program.ms(20)));
        WINDOWS.put("after", JoinWindows.ofTimeDifferenceAndGrace(Program.ms(0), Program.ms(5)).before(Program.ms(0)).after(Program.ms(10)));
        WINDOWS.put("neg", JoinWindows.ofTimeDifferenceWithNoGrace(Program.ms(10)).before(Program.ms(-5)));
        WINDOWS.put("big", JoinWindows.ofTimeDifferenceAndGrace(Program.ms(20_000), Program.ms(30_000)));
    }

    static StreamJoined<String, String, String> joined(String name) {
        return StreamJoined.with(Serdes.String(), Serdes.String(), Serdes.String()).withName(name).withStoreName(name);
    }

    static KStream<String, String> join(String kind, KStream<String, String> l, KStream<String, String> r, JoinWindows w, String name) {
        return switch (kind) {
            case "inner" -> l.join(r, Program::pair, w, joined(name));
            case "left" -> l.leftJoin(r, Program::pair, w, joined(name));
            default -> l.outerJoin(r, Program::pair, w, joined(name));
        };
    }

    static void add() {
        for (String kind : new String[] {"inner", "left", "outer"}) {
            WINDOWS.forEach((name, w) -> Catalogue.add("ss-" + kind + "-" + name, p -> p.out(join(kind, p.stream("a"), p.stream("b"), w, "j"))));
            Catalogue.add("ss-" + kind + "-by", p -> p.out(join(kind, p.stream("a").selectKey((k, v) -> Program.letter(v)),
                p.stream("b"), WINDOWS.get("asym"), "j")));
            Catalogue.add("ss-" + kind + "-by2", p -> p.out(join(kind, p.stream("a"),
                p.stream("b").selectKey((k, v) -> Program.letter(v)), WINDOWS.get("sym"), "j")));
            Catalogue.add("ss-" + kind + "-self", p -> {
                KStream<String, String> s = p.stream("a");
                p.out(join(kind, s, s, WINDOWS.get("asym"), "j"));
            });
            Catalogue.add("ss-" + kind + "-self2", p -> {
                KStream<String, String> s = p.stream("a");
                p.out(join(kind, s, s.mapValues(v -> v == null ? null : v + "!"), WINDOWS.get("sym"), "j"));
            });
        }
        Catalogue.add("ss-chain", p -> p.out(join("left", join("inner", p.stream("a"), p.stream("b"), WINDOWS.get("asym"), "j1"),
            p.stream("c"), WINDOWS.get("sym"), "j2")));
        Catalogue.add("ss-outer-chain", p -> p.out(join("outer", join("outer", p.stream("a"), p.stream("b"), WINDOWS.get("asym"), "j1"),
            p.stream("c"), WINDOWS.get("asym"), "j2")));
        table();
        global();
    }

    private static KStream<String, String> join(boolean left, KStream<String, String> s, KTable<String, String> t, Joined<String, String, String> j) {
        return left ? s.leftJoin(t, Program::pair, j) : s.join(t, Program::pair, j);
    }

    private static void table() {
        for (boolean left : new boolean[] {false, true}) {
            String n = left ? "st-left" : "st-inner";
            Catalogue.add(n, p -> p.out(join(left, p.stream("a"), p.table("t", null), Joined.as("jt"))));
            Catalogue.add(n + "-store", p -> p.out(join(left, p.stream("a"), p.table("t", "st"), Joined.as("jt"))));
            Catalogue.add(n + "-by", p -> p.out(join(left, p.stream("a").selectKey((k, v) -> Program.letter(v)), p.table("t", "st"), Joined.as("jt"))));
            Catalogue.add(n + "-key", p -> p.out(left
                ? p.stream("a").leftJoin(p.table("t", "st"), (k, l, r) -> Program.fold(k, Program.pair(l, r)), Joined.as("jt"))
                : p.stream("a").join(p.table("t", "st"), (k, l, r) -> Program.fold(k, Program.pair(l, r)), Joined.as("jt"))));
            Catalogue.add(n + "-filtered", p -> p.out(join(left, p.stream("a"), p.table("t", "st").filter((k, v) -> Program.even(v)).mapValues(v -> v + "!"), Joined.as("jt"))));
            Catalogue.add(n + "-agg", p -> p.out(join(left, p.stream("a"), p.stream("b").groupByKey().reduce(Program::fold, p.kv("agg")), Joined.as("jt"))));
            Catalogue.add(n + "-versioned", p -> p.out(join(left, p.stream("a"), p.versioned("t", "st", 50), Joined.as("jt"))));
            Catalogue.add(n + "-versioned-big", p -> p.out(join(left, p.stream("a"), p.versioned("t", "st", 50_000), Joined.as("jt"))));
            Catalogue.add(n + "-grace", p -> p.out(join(left, p.stream("a"), p.versioned("t", "st", 1000),
                Joined.<String, String, String>as("jt").withGracePeriod(Program.ms(20)))));
            Catalogue.add(n + "-grace-0", p -> p.out(join(left, p.stream("a"), p.versioned("t", "st", 1000),
                Joined.<String, String, String>as("jt").withGracePeriod(Program.ms(0)))));
            Catalogue.add(n + "-grace-by", p -> p.out(join(left, p.stream("a").selectKey((k, v) -> Program.letter(v)), p.versioned("t", "st", 100),
                Joined.<String, String, String>as("jt").withGracePeriod(Program.ms(10)))));
        }
    }

    private static void global() {
        for (boolean left : new boolean[] {false, true}) {
            String n = left ? "sg-left" : "sg-inner";
            Catalogue.add(n, p -> p.out(left
                ? p.stream("a").leftJoin(p.global("g", "gs"), (k, v) -> Program.letter(v), Program::pair)
                : p.stream("a").join(p.global("g", "gs"), (k, v) -> Program.letter(v), Program::pair)));
            Catalogue.add(n + "-key", p -> p.out(left
                ? p.stream("a").leftJoin(p.global("g", "gs"), (k, v) -> k, Program::pair)
                : p.stream("a").join(p.global("g", "gs"), (k, v) -> k, Program::pair)));
        }
    }
}
