import java.time.Duration;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.EmitStrategy;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.SessionWindows;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.TableJoined;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.WindowedSerdes;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.SessionStore;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.WindowStore;

/** The programs of twin_programs_test.go; topics begin with the prefix. */
final class Programs {
    private Programs() {
    }

    static final TimeWindows TUMBLING = TimeWindows.ofSizeAndGrace(ms(1000), ms(500));

    static void build(String name, StreamsBuilder b, String p) {
        switch (name) {
            case "count" -> in(b, p, "a").groupBy((k, v) -> letter(v)).count()
                .toStream().to(p + "out", Produced.with(Serdes.String(), Serdes.Long()));
            case "by-rack" -> in(b, p, "a").groupByKey().count(Materialized.as("counts")).toStream().to(p + "out", Produced.with(Serdes.String(), Serdes.Long()));
            case "reduce" -> in(b, p, "a").groupByKey().reduce((x, v) -> x + "." + v, Materialized.as("reduced")).toStream().to(p + "out");
            case "hopping" -> in(b, p, "a").groupByKey().windowedBy(TimeWindows.ofSizeAndGrace(ms(1000), ms(500)).advanceBy(ms(400)))
                .count(Materialized.as("hops")).toStream()
                .to(p + "out", Produced.with(WindowedSerdes.timeWindowedSerdeFrom(String.class, 1000), Serdes.Long()));
            case "final" -> in(b, p, "a").groupByKey().windowedBy(TUMBLING).emitStrategy(EmitStrategy.onWindowClose())
                .count(Materialized.<String, Long, WindowStore<Bytes, byte[]>>as("finals").withRetention(ms(60_000))).toStream()
                .to(p + "out", Produced.with(WindowedSerdes.timeWindowedSerdeFrom(String.class, 1000), Serdes.Long()));
            case "session" -> in(b, p, "a").groupByKey().windowedBy(SessionWindows.ofInactivityGapAndGrace(ms(300), ms(500)))
                .aggregate(() -> "", (k, v, x) -> x + "." + v, (k, x, y) -> x + "+" + y,
                    Materialized.<String, String, SessionStore<Bytes, byte[]>>as("sessions").withValueSerde(Serdes.String())).toStream()
                .to(p + "out", Produced.with(WindowedSerdes.sessionWindowedSerdeFrom(String.class), Serdes.String()));
            case "suppress" -> in(b, p, "a").groupByKey().windowedBy(TUMBLING)
                .reduce((x, v) -> x + "." + v, Materialized.<String, String, WindowStore<Bytes, byte[]>>as("windows")
                    .withKeySerde(Serdes.String()).withValueSerde(Serdes.String()))
                .suppress(Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded()).withName("held")).toStream()
                .to(p + "out", Produced.with(WindowedSerdes.timeWindowedSerdeFrom(String.class, 1000), Serdes.String()));
            case "limit" -> table(b, p, "t").suppress(Suppressed.untilTimeLimit(ms(700), Suppressed.BufferConfig.maxRecords(3)).withName("held"))
                .toStream().to(p + "out");
            case "outer" -> in(b, p, "a").outerJoin(in(b, p, "b"), Programs::pair, JoinWindows.ofTimeDifferenceAndGrace(ms(600), ms(1000)),
                StreamJoined.with(Serdes.String(), Serdes.String(), Serdes.String()).withName("j").withStoreName("j")).to(p + "out");
            case "left" -> in(b, p, "a").selectKey((k, v) -> letter(v)).leftJoin(in(b, p, "b").selectKey((k, v) -> letter(v)), Programs::pair,
                JoinWindows.ofTimeDifferenceAndGrace(ms(600), ms(1000)), StreamJoined.with(Serdes.String(), Serdes.String(), Serdes.String()))
                .to(p + "out");
            case "tables" -> table(b, p, "t").outerJoin(table(b, p, "u"), Programs::pair, Materialized.as("joined")).toStream().to(p + "out");
            case "foreign" -> table(b, p, "t").leftJoin(table(b, p, "u"), Programs::letter, Programs::pair, TableJoined.as("fk"), Materialized.as("joined"))
                .toStream().to(p + "out");
            case "versioned" -> {
                KTable<String, String> t = b.table(p + "t", Materialized.as(Stores.persistentVersionedKeyValueStore("versions", ms(60_000))));
                in(b, p, "a").leftJoin(t, Programs::pair, Joined.with(Serdes.String(), Serdes.String(), Serdes.String(), "j")).to(p + "out");
            }
            case "regroup" -> table(b, p, "t").groupBy((k, v) -> KeyValue.pair(letter(v), v), Grouped.as("by"))
                .aggregate(() -> "", (k, v, x) -> x + "+" + v, (k, v, x) -> x + "-" + v,
                    Materialized.<String, String, KeyValueStore<Bytes, byte[]>>as("sums").withValueSerde(Serdes.String()))
                .toStream().to(p + "out");
            case "times" -> b.stream(p + "a", Consumed.with(Serdes.String(), Serdes.String())
                    .withTimestampExtractor((r, partitionTime) -> ((String) r.value()).endsWith("0") ? partitionTime : r.timestamp()))
                .to(p + "out");
            case "refused" -> in(b, p, "a").mapValues(Programs::grown).to(p + "out");
            default -> throw new IllegalArgumentException(name);
        }
    }

    private static KStream<String, String> in(StreamsBuilder b, String p, String topic) {
        return b.stream(p + topic);
    }

    private static KTable<String, String> table(StreamsBuilder b, String p, String topic) {
        return b.table(p + topic, Materialized.as("rows-" + topic));
    }

    private static String letter(String v) {
        return v.substring(0, 1);
    }

    private static String grown(String v) {
        if (v.equals("bad")) {
            throw new IllegalStateException("no bad");
        }
        return v.startsWith("big") ? "x".repeat(10_000) : v;
    }

    private static String pair(Object l, Object r) {
        return (l == null ? "" : l) + "|" + (r == null ? "" : r);
    }

    private static Duration ms(long n) {
        return Duration.ofMillis(n);
    }
}
