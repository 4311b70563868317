import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Merger;
import org.apache.kafka.streams.kstream.Named;
import org.apache.kafka.streams.kstream.SessionWindows;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.Suppressed.BufferConfig;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.processor.api.ContextualFixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/** Where rules meet. */
final class Corners {
    private static final SessionWindows SESSION = SessionWindows.ofInactivityGapAndGrace(Program.ms(7), Program.ms(3));
    private static final Merger<String, String> MERGER = (k, a, b) -> Program.merge(a, b);

    private Corners() {
    }

    static String pairNull(String l, String r) {
        return (Program.num(l) + Program.num(r)) % 3 == 0 ? null : Program.pair(l, r);
    }

    /** Changes times and headers by the digit of the value. */
    static KStream<String, String> shift(KStream<String, String> s, String name) {
        return s.processValues(() -> new ContextualFixedKeyProcessor<String, String, String>() {
            @Override
            public void process(FixedKeyRecord<String, String> r) {
                long n = Program.num(r.value());
                var t = r.withTimestamp(n % 2 == 0 ? r.timestamp() + n * 3 : Math.max(0, r.timestamp() - n * 3));
                if (n % 3 == 0) {
                    t = t.withHeaders(new RecordHeaders());
                } else if (n % 3 == 1) {
                    t = t.withHeaders(new RecordHeaders(r.headers()).add("sh", null).add("sh", "x".getBytes()));
                }
                context().forward(t);
            }
        }, Named.as(name));
    }

    static void add() {
        for (String kind : new String[] {"inner", "left", "outer"}) {
            joins(kind);
        }
        Map<String, JoinWindows> windows = new LinkedHashMap<>();
        windows.put("zero", JoinWindows.ofTimeDifferenceAndGrace(Program.ms(0), Program.ms(10)));
        windows.put("point", JoinWindows.ofTimeDifferenceAndGrace(Program.ms(0), Program.ms(3)).after(Program.ms(5)).before(Program.ms(-5)));
        windows.put("past", JoinWindows.ofTimeDifferenceAndGrace(Program.ms(20), Program.ms(3)).after(Program.ms(-5)));
        windows.forEach((n, w) -> Catalogue.add("x-ss-" + n, p -> p.out(Joins.join("outer", p.stream("a"), p.stream("b"), w, "j"))));
        Catalogue.add("x-shift-window", p -> p.outWN(shift(p.stream("a"), "sh").groupByKey()
            .windowedBy(TimeWindows.ofSizeAndGrace(Program.ms(10), Program.ms(4)).advanceBy(Program.ms(3))).count(p.winN("agg"))));
        Catalogue.add("x-shift-session", p -> p.outSN(shift(p.stream("a"), "sh").groupByKey().windowedBy(SESSION).count(p.sesN("agg"))));
        Catalogue.add("x-window-steps-suppress", p -> p.outW(steps(TimeAggregates.TIME.get("sldg").of(p.stream("a").groupByKey(), false)
            .aggregate(() -> "i", (k, v, a) -> Aggregates.foldOrNull(a, v), p.win("agg"))).suppress(TimeAggregates.closed()).filter((k, v) -> v.length() % 2 == 0)));
        Catalogue.add("x-session-steps-suppress", p -> p.outS(steps(p.stream("a").groupByKey().windowedBy(SESSION)
            .aggregate(() -> "i", (k, v, a) -> Aggregates.foldOrNull(a, v), MERGER, p.ses("agg"))).suppress(TimeAggregates.closed())));
        Catalogue.add("x-session-group", p -> p.out(p.stream("a").groupByKey().windowedBy(SESSION)
            .aggregate(() -> "i", (k, v, a) -> Aggregates.foldOrNull(a, v), MERGER, p.ses("agg")).groupBy((k, v) -> KeyValue.pair(k.key(), v), Grouped.as("g"))
            .aggregate(() -> "i", (k, v, a) -> Program.fold(a, v), (k, v, a) -> Program.undo(a, v), p.kv("agg2"))));
        Catalogue.add("x-suppress-none", p -> p.out(p.table("t", null).suppress(Suppressed.<String>untilTimeLimit(Program.ms(30), BufferConfig.maxRecords(0)).withName("sup"))));
        Catalogue.add("x-suppress-none-bytes", p -> p.out(p.table("t", null)
            .suppress(Suppressed.<String>untilTimeLimit(Program.ms(30), BufferConfig.maxBytes(0).shutDownWhenFull()).withName("sup"))));
        versioned();
        Catalogue.add("x-many-ways", p -> {
            KStream<String, String> s = p.stream("a").selectKey((k, v) -> Program.letter(v));
            p.outN(s.mapValues(v -> Program.s(v) + "m").groupByKey().count(p.kvN("agg")));
            p.outWN(s.groupByKey().windowedBy(TimeWindows.ofSizeAndGrace(Program.ms(10), Program.ms(5))).count(p.winN("agg2")));
            p.out(Joins.join("left", s.filter((k, v) -> Program.even(v)), p.stream("b"), Joins.WINDOWS.get("sym"), "j"));
            p.out(s.toTable(Named.as("tt"), p.kv("st")));
        });
    }

    private static KTable<Windowed<String>, String> steps(KTable<Windowed<String>, String> t) {
        return t.filter((k, v) -> v.length() % 3 != 0).mapValues((k, v) -> v + "@" + k.window().start());
    }

    private static void joins(String kind) {
        Catalogue.add("x-ss-" + kind + "-null", p -> {
            KStream<String, String> l = p.stream("a");
            KStream<String, String> r = p.stream("b");
            JoinWindows w = Joins.WINDOWS.get("asym");
            KStream<String, String> j = switch (kind) {
                case "inner" -> l.join(r, Corners::pairNull, w, Joins.joined("j"));
                case "left" -> l.leftJoin(r, Corners::pairNull, w, Joins.joined("j"));
                default -> l.outerJoin(r, Corners::pairNull, w, Joins.joined("j"));
            };
            p.out(j);
            p.outN(j.groupByKey().count(p.kvN("agg")));
        });
        Catalogue.add("x-tt-" + kind + "-null", p -> {
            KTable<String, String> l = p.table("t", null);
            KTable<String, String> r = p.table("u", null);
            p.out(switch (kind) {
                case "inner" -> l.<String, String>join(r, Corners::pairNull);
                case "left" -> l.<String, String>leftJoin(r, Corners::pairNull);
                default -> l.<String, String>outerJoin(r, Corners::pairNull);
            });
        });
        Catalogue.add("x-tt-" + kind + "-null-mat", p -> {
            KTable<String, String> l = p.table("t", null);
            KTable<String, String> r = p.table("u", null);
            p.out(switch (kind) {
                case "inner" -> l.<String, String>join(r, Corners::pairNull, p.kv("j"));
                case "left" -> l.<String, String>leftJoin(r, Corners::pairNull, p.kv("j"));
                default -> l.<String, String>outerJoin(r, Corners::pairNull, p.kv("j"));
            });
        });
        Catalogue.add("x-ss-" + kind + "-shift", p -> p.out(Joins.join(kind, shift(p.stream("a"), "sh1"), shift(p.stream("b"), "sh2"), Joins.WINDOWS.get("asym"), "j")));
        Catalogue.add("x-ss-" + kind + "-meet", p -> {
            KStream<String, String> m = p.stream("a").merge(p.stream("c"));
            KStream<String, String> j = Joins.join(kind, m, p.stream("b"), Joins.WINDOWS.get("sym"), "j1");
            p.out(Joins.join(kind, j.selectKey((k, v) -> Program.letter(v)), m.selectKey((k, v) -> Program.letter(v)), Joins.WINDOWS.get("asym"), "j2"));
        });
    }

    private static Materialized<String, String, KeyValueStore<Bytes, byte[]>> history() {
        return Materialized.<String, String>as(Stores.persistentVersionedKeyValueStore("agg", Program.ms(30))).withKeySerde(Serdes.String()).withValueSerde(Serdes.String());
    }

    private static void versioned() {
        Catalogue.add("x-versioned-aggregate", p -> p.out(p.stream("a").groupByKey().aggregate(() -> "i", (k, v, a) -> Aggregates.foldOrNull(a, v), history())));
        Catalogue.add("x-versioned-cogroup", p -> p.out(p.stream("a").groupByKey().<String>cogroup((k, v, a) -> Aggregates.foldOrNull(a, v))
            .cogroup(p.stream("b").groupByKey(), (k, v, a) -> Program.undo(a, v)).aggregate(() -> "i", history())));
        Catalogue.add("x-versioned-group", p -> p.out(p.table("t", null).groupBy((k, v) -> KeyValue.pair(Program.letter(v), Program.s(k) + v), Grouped.as("g"))
            .aggregate(() -> "i", (k, v, a) -> Program.num(v) == 5 ? null : Program.fold(a, v), (k, v, a) -> Program.num(v) == 7 ? null : Program.undo(a, v), history())));
        Catalogue.add("x-words", p -> {
            KStream<String, String> w = p.stream("a").flatMapValues(v -> IntStream.range(0, Program.num(v) % 4).mapToObj(i -> Program.s(v) + i).toList())
                .selectKey((k, v) -> Program.letter(v));
            p.out(w.leftJoin(w.groupByKey(Grouped.as("g")).reduce(Program::fold, p.kv("agg")), Program::pair, Joined.as("jt")));
        });
    }
}
