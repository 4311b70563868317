import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.kstream.Branched;
import org.apache.kafka.streams.kstream.Named;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.processor.api.ContextualFixedKeyProcessor;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.processor.api.Record;

/** Operators that keep nothing. */
final class Stateless {
    private Stateless() {
    }

    static void add() {
        Catalogue.add("filter", p -> p.out(p.stream("a").filter((k, v) -> v == null || Program.even(v))));
        Catalogue.add("filter-key", p -> p.out(p.stream("a").filter((k, v) -> "k1".equals(k) || Program.even(v))));
        Catalogue.add("filter-not", p -> p.out(p.stream("a").filterNot((k, v) -> Program.even(v))));
        Catalogue.add("map", p -> p.out(p.stream("a").map((k, v) -> KeyValue.pair(Program.letter(v), Program.pair(k, v)))));
        Catalogue.add("map-values", p -> p.out(p.stream("a").mapValues(v -> Program.num(v) == 0 ? null : v + "!")));
        Catalogue.add("map-values-key", p -> p.out(p.stream("a").mapValues((k, v) -> Program.pair(k, v))));
        Catalogue.add("flat-map", p -> p.out(p.stream("a").flatMap((k, v) -> {
            List<KeyValue<String, String>> l = new ArrayList<>();
            for (int i = 0; i < Program.num(v) % 3; i++) {
                l.add(KeyValue.pair(Program.s(k) + i, v));
            }
            return l;
        })));
        Catalogue.add("flat-map-values", p -> p.out(p.stream("a").flatMapValues(v -> {
            List<String> l = new ArrayList<>();
            for (int i = 0; i < Program.num(v) % 3; i++) {
                l.add(i == 1 ? null : Program.s(v) + i);
            }
            return l;
        })));
        Catalogue.add("select-key", p -> p.out(p.stream("a").selectKey((k, v) -> Program.letter(v))));
        Catalogue.add("merge", p -> p.out(p.stream("a").merge(p.stream("b").mapValues(v -> Program.s(v) + "b")).merge(p.stream("c"))));
        Catalogue.add("split", p -> {
            var branches = p.stream("a").split(Named.as("s-"))
                .branch((k, v) -> Program.even(v), Branched.as("even"))
                .branch((k, v) -> "a".equals(Program.letter(v)), Branched.as("a"))
                .defaultBranch(Branched.as("rest"));
            branches.get("s-even").to("out-even");
            branches.get("s-a").to("out-a");
            branches.get("s-rest").mapValues(v -> Program.s(v) + "r").to("out-rest");
        });
        Catalogue.add("split-drop", p -> {
            var branches = p.stream("a").split(Named.as("s-"))
                .branch((k, v) -> Program.even(v), Branched.as("even"))
                .branch((k, v) -> "k1".equals(k), Branched.as("k1"))
                .noDefaultBranch();
            branches.get("s-even").to("out-even");
            branches.get("s-k1").to("out-k1");
        });
        Catalogue.add("peek", p -> {
            p.out(p.stream("a").peek((k, v) -> { }).mapValues(v -> v));
            p.stream("a").foreach((k, v) -> { });
        });
        Catalogue.add("repartition", p -> p.out(p.stream("a").selectKey((k, v) -> Program.letter(v))
            .repartition(Repartitioned.<String, String>as("rp").withNumberOfPartitions(1)).mapValues(v -> Program.s(v) + "r")));
        Catalogue.add("extractor", p -> p.stream("a").to((k, v, c) -> "out-" + Program.num(v) % 3));
        Catalogue.add("headers", p -> p.out(p.stream("a").processValues(() -> new ContextualFixedKeyProcessor<String, String, String>() {
            @Override
            public void process(FixedKeyRecord<String, String> r) {
                r.headers().add("seen", Program.s(r.key()).getBytes(StandardCharsets.UTF_8));
                context().forward(r.withValue(Program.s(r.value()) + "h"));
            }
        }, Named.as("h")).filter((k, v) -> Program.even(v) || k == null)));
        Catalogue.add("process", p -> p.out(p.stream("a").process(() -> new ContextualProcessor<String, String, String, String>() {
            @Override
            public void process(Record<String, String> r) {
                for (int i = 0; i < Program.num(r.value()) % 3; i++) {
                    context().forward(r.withKey(Program.s(r.key()) + i).withTimestamp(r.timestamp() + i));
                }
            }
        }, Named.as("p"))));
        Catalogue.add("two-sources", p -> p.out(p.b.<String, String>stream(List.of("a", "b")).mapValues(v -> Program.s(v) + "x")));
        Catalogue.add("pattern", p -> p.out(p.b.<String, String>stream(java.util.regex.Pattern.compile("[ab]")).mapValues(v -> Program.s(v) + "x")));
        Catalogue.add("timestamps", p -> p.out(p.b.stream("a", org.apache.kafka.streams.kstream.Consumed.with(Serdes.String(), Serdes.String())
            .withTimestampExtractor((r, partitionTime) -> Program.num((String) r.value()) == 0 ? -1 : r.timestamp() + Program.num((String) r.value())))));
        Catalogue.add("default-branch-only", p -> p.stream("a").split(Named.as("s-")).defaultBranch(Branched.as("rest")).get("s-rest").to("out-rest"));
    }
}
