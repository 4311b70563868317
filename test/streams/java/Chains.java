import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Named;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.kstream.TableJoined;

/** Several stateful steps in a row, and what the optimiser changes. */
final class Chains {
    private Chains() {
    }

    static void add() {
        Catalogue.add("c-agg-join", p -> p.out(Joins.join("left", p.stream("a").groupByKey().reduce(Program::fold, p.kv("agg")).toStream(),
            p.stream("b"), Joins.WINDOWS.get("asym"), "j")));
        Catalogue.add("c-agg-agg", p -> p.outN(p.stream("a").groupByKey().reduce(Program::fold, p.kv("agg")).toStream()
            .groupBy((k, v) -> Program.letter(v), Grouped.as("g")).count(p.kvN("agg2"))));
        Catalogue.add("c-agg-group", p -> p.out(p.stream("a").groupByKey().aggregate(() -> "i", (k, v, a) -> Aggregates.foldOrNull(a, v), p.kv("agg"))
            .groupBy((k, v) -> KeyValue.pair("n" + Program.num(v) % 3, Program.s(k) + v), Grouped.as("g"))
            .aggregate(() -> "i", (k, v, a) -> Program.fold(a, v), (k, v, a) -> Program.undo(a, v), p.kv("agg2"))));
        Catalogue.add("c-window-map-agg", p -> p.out(TimeAggregates.TIME.get("tumg").of(p.stream("a").groupByKey(), false)
            .reduce(Program::fold, p.win("agg")).toStream().map((w, v) -> KeyValue.pair(w.key(), v))
            .groupByKey(Grouped.as("g")).reduce(Program::merge, p.kv("agg2"))));
        Catalogue.add("c-final-drop-agg", p -> p.out(TimeAggregates.TIME.get("tumg").of(p.stream("a").groupByKey(), true)
            .reduce(Program::fold, p.win("agg")).toStream().selectKey((w, v) -> w.key() + "@" + w.window().start())
            .groupByKey(Grouped.as("g")).count(p.kvN("agg2")).mapValues(v -> "n" + v)));
        Catalogue.add("c-join-window", p -> p.outW(TimeAggregates.TIME.get("hopg").of(
            Joins.join("outer", p.stream("a"), p.stream("b"), Joins.WINDOWS.get("sym"), "j").groupByKey(), false).reduce(Program::fold, p.win("agg"))));
        Catalogue.add("c-join-session", p -> p.outS(Joins.join("left", p.stream("a"), p.stream("b"), Joins.WINDOWS.get("asym"), "j").groupByKey()
            .windowedBy(TimeAggregates.SESSIONS.get("sesg").session()).reduce(Program::fold, p.ses("agg"))));
        Catalogue.add("c-fk-group", p -> p.out(p.table("t", null).<String, String, String>leftJoin(p.table("u", null), Program::letter, Program::pair, TableJoined.as("fk"))
            .groupBy((k, v) -> KeyValue.pair(Program.letter(v), v), Grouped.as("g"))
            .aggregate(() -> "i", (k, v, a) -> Program.fold(a, v), (k, v, a) -> Program.undo(a, v), p.kv("agg"))));
        Catalogue.add("c-fk-fk", p -> p.out(p.table("t", null).<String, String, String>join(p.table("u", null), Program::letter, Program::pair, TableJoined.as("fk"))
            .<String, String, String>leftJoin(p.table("v", null), v -> "k" + (Program.num(v.substring(0, v.length() - 1)) % 4), Program::pair, TableJoined.as("fk2"))));
        Catalogue.add("c-suppress-join", p -> {
            KTable<org.apache.kafka.streams.kstream.Windowed<String>, String> t = TimeAggregates.TIME.get("tumg").of(p.stream("a").groupByKey(), false)
                .reduce(Program::fold, p.win("agg")).suppress(TimeAggregates.closed());
            p.out(Joins.join("left", t.toStream().map((w, v) -> KeyValue.pair(w.key(), v)), p.stream("b"), Joins.WINDOWS.get("asym"), "j"));
        });
        Catalogue.add("c-window-join", p -> {
            KTable<org.apache.kafka.streams.kstream.Windowed<String>, String> l = TimeAggregates.TIME.get("tumg").of(p.stream("a").groupByKey(), false).reduce(Program::fold, p.win("agg"));
            KTable<org.apache.kafka.streams.kstream.Windowed<String>, String> r = TimeAggregates.TIME.get("tumg").of(p.stream("b").groupByKey(), false).reduce(Program::merge, p.win("agg2"));
            p.outW(l.outerJoin(r, Program::pair));
        });
        Catalogue.add("c-window-group", p -> p.outN(TimeAggregates.TIME.get("tumg").of(p.stream("a").groupByKey(), false)
            .aggregate(() -> "i", (k, v, a) -> Aggregates.foldOrNull(a, v), p.win("agg"))
            .groupBy((w, v) -> KeyValue.pair(w.key(), v), Grouped.as("g")).count(p.kvN("agg2"))));
        Catalogue.add("c-enrich", p -> {
            KStream<String, String> j = Joins.join("inner", p.stream("a"), p.stream("b"), Joins.WINDOWS.get("asym"), "j");
            p.out(j.selectKey((k, v) -> Program.letter(v)).leftJoin(p.table("t", "st"), Program::pair, Joined.as("jt")));
        });
        Catalogue.add("c-table-stream-table", p -> p.out(p.table("t", "st").toStream().mapValues(v -> v == null ? null : v + "!").toTable(Named.as("tt"), p.kv("st2"))
            .join(p.table("u", null), Program::pair)));
        Catalogue.add("c-stream-table-both", p -> {
            KTable<String, String> agg = p.stream("a").groupByKey().reduce(Program::fold, p.kv("agg"));
            p.out(p.stream("a").leftJoin(agg, Program::pair, Joined.as("jt")));
        });
        Catalogue.add("c-global-agg", p -> p.out(p.stream("a").leftJoin(p.global("g", "gs"), (k, v) -> Program.letter(v), Program::pair)
            .groupByKey().reduce(Program::fold, p.kv("agg"))));
        Catalogue.add("c-relaxed", p -> p.out(Joins.join("left", p.stream("a").selectKey((k, v) -> Program.letter(v)).repartition(Repartitioned.as("rp")),
            p.stream("b"), Joins.WINDOWS.get("sym"), "j")));
        Catalogue.add("c-merge-agg", p -> p.outN(p.stream("a").selectKey((k, v) -> Program.letter(v)).merge(p.stream("b")).groupByKey(Grouped.as("g")).count(p.kvN("agg"))));
        Catalogue.add("c-branch-agg", p -> {
            var br = p.stream("a").split(Named.as("s-")).branch((k, v) -> Program.even(v), org.apache.kafka.streams.kstream.Branched.as("even"))
                .defaultBranch(org.apache.kafka.streams.kstream.Branched.as("odd"));
            p.out(br.get("s-even").groupByKey().reduce(Program::fold, p.kv("agg")).outerJoin(br.get("s-odd").groupByKey().reduce(Program::merge, p.kv("agg2")), Program::pair));
        });
        optimised();
    }

    private static void optimised() {
        Catalogue.add("o-table", p -> p.out(p.table("t", "st").mapValues(v -> v + "!")));
        Catalogue.add("o-table-join", p -> p.out(p.stream("a").join(p.table("t", "st"), Program::pair, Joined.as("jt"))));
        Catalogue.add("o-repartition", p -> {
            KStream<String, String> s = p.stream("a").selectKey((k, v) -> Program.letter(v));
            p.outN(s.groupByKey().count(p.kvN("agg")));
            p.out(s.groupByKey().reduce(Program::fold, p.kv("agg2")));
        });
        Catalogue.add("o-repartition-map", p -> {
            KStream<String, String> s = p.stream("a").selectKey((k, v) -> Program.letter(v));
            p.outN(s.mapValues(v -> Program.s(v) + "x").groupByKey().count(p.kvN("agg")));
            p.out(s.filter((k, v) -> Program.even(v)).groupByKey().reduce(Program::fold, p.kv("agg2")));
            s.mapValues(v -> v).to("out-x");
        });
        Catalogue.add("o-repartition-join", p -> {
            KStream<String, String> s = p.stream("a").selectKey((k, v) -> Program.letter(v));
            p.outN(s.groupByKey().count(p.kvN("agg")));
            p.out(Joins.join("inner", s, p.stream("b"), Joins.WINDOWS.get("asym"), "j"));
        });
    }
}
