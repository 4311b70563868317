import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KGroupedStream;

/** Aggregates of streams by key. */
final class Aggregates {
    private Aggregates() {
    }

    static KGroupedStream<String, String> byLetter(Program p, String topic) {
        return p.stream(topic).groupBy((k, v) -> Program.letter(v), Grouped.as("g-" + topic));
    }

    /** An aggregator that deletes on 0. */
    static String foldOrNull(String a, String v) {
        return Program.num(v) == 0 ? null : Program.fold(a, v);
    }

    static void add() {
        Catalogue.add("count", p -> p.outN(p.stream("a").groupByKey().count(p.kvN("agg"))));
        Catalogue.add("reduce", p -> p.out(p.stream("a").groupByKey().reduce(Program::fold, p.kv("agg"))));
        Catalogue.add("aggregate", p -> p.out(p.stream("a").groupByKey().aggregate(() -> "i", (k, v, a) -> Program.fold(a, v), p.kv("agg"))));
        Catalogue.add("aggregate-key", p -> p.out(p.stream("a").groupByKey().aggregate(() -> "i", (k, v, a) -> Program.fold(a, Program.pair(k, v)), p.kv("agg"))));
        Catalogue.add("aggregate-null", p -> p.out(p.stream("a").groupByKey().aggregate(() -> "i", (k, v, a) -> foldOrNull(a, v), p.kv("agg"))));
        Catalogue.add("reduce-null", p -> p.out(p.stream("a").groupByKey().reduce(Aggregates::foldOrNull, p.kv("agg"))));
        Catalogue.add("by-count", p -> p.outN(byLetter(p, "a").count(p.kvN("agg"))));
        Catalogue.add("by-reduce", p -> p.out(byLetter(p, "a").reduce(Program::fold, p.kv("agg"))));
        Catalogue.add("by-aggregate", p -> p.out(byLetter(p, "a").aggregate(() -> "i", (k, v, a) -> Program.fold(a, v), p.kv("agg"))));
        Catalogue.add("select-count", p -> p.outN(p.stream("a").selectKey((k, v) -> Program.letter(v)).groupByKey().count(p.kvN("agg"))));
        Catalogue.add("two-aggregates", p -> {
            var g = p.stream("a").selectKey((k, v) -> Program.letter(v)).groupByKey(Grouped.as("g"));
            p.outN(g.count(p.kvN("agg")));
            p.out(g.reduce(Program::fold, p.kv("agg2")));
        });
        Catalogue.add("aggregate-filter", p -> p.out(p.stream("a").groupByKey().aggregate(() -> "i", (k, v, a) -> foldOrNull(a, v), p.kv("agg"))
            .filter((k, v) -> v.length() % 2 == 0).mapValues(v -> v + "!")));
        Catalogue.add("aggregate-filter-mat", p -> p.out(p.stream("a").groupByKey().aggregate(() -> "i", (k, v, a) -> foldOrNull(a, v), p.kv("agg"))
            .filter((k, v) -> v.length() % 3 == 0, p.kv("f"))));
        Catalogue.add("cogroup", p -> p.out(p.stream("a").groupByKey().<String>cogroup((k, v, a) -> Program.fold(a, v))
            .cogroup(p.stream("b").groupByKey(), (k, v, a) -> Program.undo(a, v)).aggregate(() -> "i", p.kv("agg"))));
        Catalogue.add("cogroup-null", p -> p.out(p.stream("a").groupByKey().<String>cogroup((k, v, a) -> foldOrNull(a, v))
            .cogroup(p.stream("b").groupByKey(), (k, v, a) -> Program.undo(a, v)).aggregate(() -> "i", p.kv("agg"))));
        Catalogue.add("cogroup-by", p -> p.out(byLetter(p, "a").<String>cogroup((k, v, a) -> Program.fold(a, v))
            .cogroup(p.stream("b").groupByKey(), (k, v, a) -> Program.undo(a, v))
            .cogroup(byLetter(p, "c"), (k, v, a) -> Program.merge(a, v)).aggregate(() -> "i", p.kv("agg"))));
    }
}
