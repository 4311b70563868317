import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Named;
import org.apache.kafka.streams.kstream.TableJoined;
import org.apache.kafka.streams.state.KeyValueStore;

/** Joins of tables, by key and by foreign key. */
final class TableJoins {
    private TableJoins() {
    }

    static KTable<String, String> join(String kind, KTable<String, String> l, KTable<String, String> r, Materialized<String, String, KeyValueStore<Bytes, byte[]>> m) {
        return switch (kind) {
            case "inner" -> l.join(r, Program::pair, m);
            case "left" -> l.leftJoin(r, Program::pair, m);
            default -> l.outerJoin(r, Program::pair, m);
        };
    }

    static KTable<String, String> join(String kind, KTable<String, String> l, KTable<String, String> r) {
        return switch (kind) {
            case "inner" -> l.join(r, Program::pair);
            case "left" -> l.leftJoin(r, Program::pair);
            default -> l.outerJoin(r, Program::pair);
        };
    }

    static void add() {
        for (String kind : new String[] {"inner", "left", "outer"}) {
            String n = "tt-" + kind;
            Catalogue.add(n, p -> p.out(join(kind, p.table("t", null), p.table("u", null))));
            Catalogue.add(n + "-src", p -> p.out(join(kind, p.table("t", "st"), p.table("u", "su"))));
            Catalogue.add(n + "-mat", p -> p.out(join(kind, p.table("t", "st"), p.table("u", null), p.kv("j"))));
            Catalogue.add(n + "-steps", p -> p.out(join(kind, p.table("t", null).filter((k, v) -> Program.even(v)),
                p.table("u", null).mapValues(v -> Program.num(v) == 3 ? null : v + "!"))));
            Catalogue.add(n + "-steps-mat", p -> p.out(join(kind, p.table("t", null).filter((k, v) -> Program.even(v), p.kv("f")),
                p.table("u", "su").mapValues(v -> Program.num(v) == 3 ? null : v + "!", p.kv("m")), p.kv("j")).filter((k, v) -> v.length() % 2 == 0)));
            Catalogue.add(n + "-versioned", p -> p.out(join(kind, p.versioned("t", "st", 50), p.versioned("u", "su", 50))));
            Catalogue.add(n + "-versioned-mat", p -> p.out(join(kind, p.versioned("t", "st", 50), p.table("u", null), p.kv("j"))));
            Catalogue.add(n + "-chain", p -> p.out(join(kind, join(kind, p.table("t", null), p.table("u", null)), p.table("v", null), p.kv("j"))));
            Catalogue.add(n + "-chain2", p -> p.out(join("left", p.table("v", null), join(kind, p.table("t", null), p.table("u", null)))));
            Catalogue.add(n + "-agg", p -> p.out(join(kind, p.stream("a").groupByKey().aggregate(() -> "i", (k, v, a) -> Aggregates.foldOrNull(a, v), p.kv("agg")),
                p.table("t", null))));
            Catalogue.add(n + "-group", p -> p.out(join(kind, p.table("t", null), p.table("u", null))
                .groupBy((k, v) -> KeyValue.pair(Program.letter(v), v))
                .aggregate(() -> "i", (k, v, a) -> Program.fold(a, v), (k, v, a) -> Program.undo(a, v), p.kv("agg"))));
            Catalogue.add(n + "-self", p -> {
                KTable<String, String> t = p.table("t", null);
                p.out(join(kind, t, t.mapValues(v -> v + "!")));
            });
        }
        for (boolean left : new boolean[] {false, true}) {
            String n = left ? "fk-left" : "fk-inner";
            Catalogue.add(n, p -> p.out(fk(p, left, p.table("t", null), p.table("u", null), null)));
            Catalogue.add(n + "-src", p -> p.out(fk(p, left, p.table("t", "st"), p.table("u", "su"), null)));
            Catalogue.add(n + "-mat", p -> p.out(fk(p, left, p.table("t", null), p.table("u", null), "j")));
            Catalogue.add(n + "-versioned-left", p -> p.out(fk(p, left, p.versioned("t", "st", 50), p.table("u", null), "j")));
            Catalogue.add(n + "-versioned-right", p -> p.out(fk(p, left, p.table("t", null), p.versioned("u", "su", 50), null)));
            Catalogue.add(n + "-versioned", p -> p.out(fk(p, left, p.versioned("t", "st", 50), p.versioned("u", "su", 50), null)));
            Catalogue.add(n + "-steps", p -> p.out(fk(p, left, p.table("t", null).filter((k, v) -> Program.num(v) != 2),
                p.table("u", null).mapValues(v -> Program.num(v) == 3 ? null : v + "!"), null).filter((k, v) -> v.length() % 2 == 0)));
            Catalogue.add(n + "-group", p -> p.outN(fk(p, left, p.table("t", null), p.table("u", null), "j")
                .groupBy((k, v) -> KeyValue.pair(Program.letter(v), v)).count(p.kvN("agg"))));
            Catalogue.add(n + "-self", p -> {
                KTable<String, String> t = p.table("t", "st");
                p.out(fk(p, left, t, t, "j"));
            });
            Catalogue.add(n + "-agg", p -> p.out(fk(p, left, p.table("t", null), p.stream("a").groupByKey().reduce(Program::fold, p.kv("agg")), null)));
        }
    }

    /** The foreign key is the letter of the value; a 9 at its end has none. */
    private static KTable<String, String> fk(Program p, boolean left, KTable<String, String> l, KTable<String, String> r, String store) {
        TableJoined<String, String> j = TableJoined.as("fk");
        Materialized<String, String, KeyValueStore<Bytes, byte[]>> m = store == null ? null : p.kv(store);
        if (left) {
            return m == null ? l.<String, String, String>leftJoin(r, Program::letter, Program::pair, j)
                : l.<String, String, String>leftJoin(r, Program::letter, Program::pair, j, m);
        }
        return m == null ? l.<String, String, String>join(r, Program::letter, Program::pair, j)
            : l.<String, String, String>join(r, Program::letter, Program::pair, j, m);
    }
}
