import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Named;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.Suppressed.BufferConfig;
import org.apache.kafka.streams.kstream.ValueTransformerWithKey;
import org.apache.kafka.streams.processor.ProcessorContext;

/** Tables of topics, their stateless steps, suppression, and aggregates of tables. */
final class Tables {
    private Tables() {
    }

    /** A transformer that remembers nothing and is called for everything. */
    static final class Mark implements ValueTransformerWithKey<String, String, String> {
        @Override
        public void init(ProcessorContext context) {
        }

        @Override
        public String transform(String k, String v) {
            return Program.num(v) == 3 ? null : Program.pair(k, v);
        }

        @Override
        public void close() {
        }
    }

    static void add() {
        Catalogue.add("table", p -> p.out(p.table("t", null)));
        Catalogue.add("table-store", p -> p.out(p.table("t", "st")));
        Catalogue.add("table-versioned", p -> p.out(p.versioned("t", "st", 50)));
        Catalogue.add("to-table", p -> p.out(p.stream("a").toTable(Named.as("tt"), p.kv("st"))));
        Catalogue.add("to-table-key", p -> p.out(p.stream("a").selectKey((k, v) -> Program.letter(v)).toTable(Named.as("tt"), p.kv("st"))));
        Catalogue.add("to-stream-key", p -> p.out(p.table("t", "st").toStream((k, v) -> Program.letter(v))));
        for (boolean source : new boolean[] {false, true}) {
            String s = source ? "-src" : "";
            Catalogue.add("table-filter" + s, p -> p.out(p.table("t", source ? "st" : null).filter((k, v) -> Program.even(v))));
            Catalogue.add("table-filter-mat" + s, p -> p.out(p.table("t", source ? "st" : null).filter((k, v) -> Program.even(v), p.kv("f"))));
            Catalogue.add("table-map" + s, p -> p.out(p.table("t", source ? "st" : null).mapValues(v -> Program.num(v) == 3 ? null : v + "!")));
            Catalogue.add("table-map-mat" + s, p -> p.out(p.table("t", source ? "st" : null).mapValues(v -> Program.num(v) == 3 ? null : v + "!", p.kv("m"))));
            Catalogue.add("table-transform" + s, p -> p.out(p.table("t", source ? "st" : null).transformValues(Mark::new, Named.as("tv"))));
            Catalogue.add("table-transform-mat" + s, p -> p.out(p.table("t", source ? "st" : null).transformValues(Mark::new, p.kv("m"), Named.as("tv"))));
            Catalogue.add("table-steps" + s, p -> p.out(p.table("t", source ? "st" : null)
                .filter((k, v) -> Program.num(v) != 1).mapValues((k, v) -> Program.pair(k, v), p.kv("m"))
                .filterNot((k, v) -> Program.num(v) == 2).mapValues(v -> v + "!").filter((k, v) -> !"k3".equals(k), p.kv("g"))));
            Catalogue.add("table-transform-join" + s, p -> p.out(p.table("t", source ? "st" : null).transformValues(Mark::new, Named.as("tv"))
                .join(p.table("u", null), Program::pair)));
            Catalogue.add("table-transform-group" + s, p -> p.out(p.table("t", source ? "st" : null).transformValues(Mark::new, Named.as("tv"))
                .groupBy((k, v) -> KeyValue.pair(Program.letter(v), v)).aggregate(() -> "i", (k, v, a) -> Program.fold(a, v), (k, v, a) -> Program.undo(a, v), p.kv("agg"))));
            Catalogue.add("table-filter-group" + s, p -> p.outN(p.table("t", source ? "st" : null).filter((k, v) -> Program.even(v))
                .groupBy((k, v) -> KeyValue.pair(Program.letter(v), v)).count(p.kvN("agg"))));
        }
        suppress();
        grouped();
    }

    private static void suppress() {
        Catalogue.add("suppress-limit", p -> p.out(p.table("t", "st").suppress(Suppressed.<String>untilTimeLimit(Program.ms(20), BufferConfig.unbounded()).withName("sup"))));
        Catalogue.add("suppress-limit-0", p -> p.out(p.table("t", null).suppress(Suppressed.<String>untilTimeLimit(Program.ms(0), BufferConfig.unbounded()).withName("sup"))));
        Catalogue.add("suppress-early", p -> p.out(p.table("t", null).suppress(Suppressed.<String>untilTimeLimit(Program.ms(50), BufferConfig.maxRecords(2)).withName("sup"))));
        Catalogue.add("suppress-strict", p -> p.out(p.table("t", null).suppress(Suppressed.<String>untilTimeLimit(Program.ms(50),
            BufferConfig.maxRecords(2).shutDownWhenFull()).withName("sup"))));
        Catalogue.add("suppress-bytes", p -> p.out(p.table("t", null).suppress(Suppressed.<String>untilTimeLimit(Program.ms(50),
            BufferConfig.maxBytes(200).emitEarlyWhenFull()).withName("sup"))));
        Catalogue.add("suppress-map", p -> p.out(p.table("t", null).suppress(Suppressed.<String>untilTimeLimit(Program.ms(20), BufferConfig.unbounded()).withName("sup"))
            .mapValues(v -> v + "!", p.kv("m"))));
        Catalogue.add("suppress-count", p -> p.outN(p.stream("a").groupByKey().count(p.kvN("agg"))
            .suppress(Suppressed.<String>untilTimeLimit(Program.ms(20), BufferConfig.maxRecords(2)).withName("sup"))));
        Catalogue.add("suppress-join", p -> p.out(p.table("t", null).suppress(Suppressed.<String>untilTimeLimit(Program.ms(20), BufferConfig.unbounded()).withName("sup"))
            .leftJoin(p.table("u", null), Program::pair)));
        Catalogue.add("suppress-group", p -> p.out(p.table("t", null).suppress(Suppressed.<String>untilTimeLimit(Program.ms(20), BufferConfig.unbounded()).withName("sup"))
            .groupBy((k, v) -> KeyValue.pair(Program.letter(v), v)).aggregate(() -> "i", (k, v, a) -> Program.fold(a, v), (k, v, a) -> Program.undo(a, v), p.kv("agg"))));
    }

    private static void grouped() {
        Catalogue.add("group-count", p -> p.outN(groups(p, p.table("t", null)).count(p.kvN("agg"))));
        Catalogue.add("group-reduce", p -> p.out(groups(p, p.table("t", null)).reduce(Program::fold, Program::undo, p.kv("agg"))));
        Catalogue.add("group-aggregate", p -> p.out(groups(p, p.table("t", "st"))
            .aggregate(() -> "i", (k, v, a) -> Program.fold(a, v), (k, v, a) -> Program.undo(a, v), p.kv("agg"))));
        Catalogue.add("group-aggregate-null", p -> p.out(groups(p, p.table("t", null))
            .aggregate(() -> "i", (k, v, a) -> Program.num(v) == 5 ? null : Program.fold(a, v), (k, v, a) -> Program.num(v) == 7 ? null : Program.undo(a, v), p.kv("agg"))));
        Catalogue.add("group-same-key", p -> p.out(p.table("t", null).groupBy((k, v) -> KeyValue.pair(k, Program.num(v) == 4 ? null : v), Grouped.as("g"))
            .aggregate(() -> "i", (k, v, a) -> Program.fold(a, v), (k, v, a) -> Program.undo(a, v), p.kv("agg"))));
        Catalogue.add("group-versioned", p -> p.out(groups(p, p.versioned("t", "st", 50))
            .aggregate(() -> "i", (k, v, a) -> Program.fold(a, v), (k, v, a) -> Program.undo(a, v), p.kv("agg"))));
        Catalogue.add("group-versioned-count", p -> p.outN(groups(p, p.versioned("t", "st", 50).filter((k, v) -> Program.even(v))).count(p.kvN("agg"))));
    }

    private static org.apache.kafka.streams.kstream.KGroupedTable<String, String> groups(Program p, KTable<String, String> t) {
        return t.groupBy((k, v) -> KeyValue.pair(Program.letter(v), Program.s(k) + v), Grouped.as("g"));
    }
}
