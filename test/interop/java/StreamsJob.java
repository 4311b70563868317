import java.time.Duration;
import java.util.Arrays;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.CloseOptions;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;

/**
 * An application of Kafka Streams under exactly-once, for two or more processes:
 *
 * <pre>
 * words  - line      -> words, grouped anew (repartition topic), counted      -> counts   word  = count
 * events - key=any   -> counted in windows of ten seconds of their timestamps -> windows  key@start = count
 * orders - user=item -> joined with the table users (user=name)               -> joined   item  = name
 * </pre>
 *
 * Nothing is cached, so each input makes one output, and what comes out says by
 * itself whether anything was lost or counted twice.
 *
 * Arguments: bootstrap servers, application id, group protocol, state directory,
 * client id, then settings as name=value.
 */
public class StreamsJob {
    public static void main(String[] args) throws Exception {
        Properties p = new Properties();
        p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
        p.put(StreamsConfig.APPLICATION_ID_CONFIG, args[1]);
        p.put("group.protocol", args[2]);
        p.put(StreamsConfig.STATE_DIR_CONFIG, args[3]);
        p.put(StreamsConfig.CLIENT_ID_CONFIG, args[4]);
        p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        p.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
        p.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
        p.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
        p.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        p.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        p.put("consumer.auto.offset.reset", "earliest");
        for (String setting : Arrays.copyOfRange(args, 5, args.length)) {
            int at = setting.indexOf('=');
            p.put(setting.substring(0, at), setting.substring(at + 1));
        }

        StreamsBuilder b = new StreamsBuilder();
        String in = args[1] + "-in-";
        String out = args[1] + "-out-";
        b.stream(in + "words", Consumed.with(Serdes.String(), Serdes.String()))
            .flatMapValues(line -> Arrays.asList(line.split(" ")))
            .groupBy((key, word) -> word, Grouped.as("by-word"))
            .count(Materialized.as("counts"))
            .toStream()
            .mapValues(n -> Long.toString(n))
            .to(out + "counts", Produced.with(Serdes.String(), Serdes.String()));
        b.stream(in + "events", Consumed.with(Serdes.String(), Serdes.String()))
            .groupByKey()
            .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofSeconds(10), Duration.ofHours(1)))
            .count(Materialized.as("windows"))
            .toStream()
            .map((w, n) -> KeyValue.pair(w.key() + "@" + w.window().start(), Long.toString(n)))
            .to(out + "windows", Produced.with(Serdes.String(), Serdes.String()));
        KTable<String, String> users = b.table(in + "users", Materialized.as("users"));
        b.<String, String>stream(in + "orders")
            .join(users, (user, item, name) -> item + "=" + name, Joined.as("by-user"))
            .map((user, both) -> KeyValue.pair(both.split("=")[0], both.split("=")[1]))
            .to(out + "joined", Produced.with(Serdes.String(), Serdes.String()));

        KafkaStreams streams = new KafkaStreams(b.build(p), p);
        // A broker that is away for a while is no reason to end.
        streams.setUncaughtExceptionHandler(e -> {
            System.err.println("a thread ended: " + e);
            return StreamThreadExceptionResponse.REPLACE_THREAD;
        });
        CountDownLatch ended = new CountDownLatch(1);
        streams.setStateListener((now, was) -> {
            System.out.println("state " + now);
            if (now == KafkaStreams.State.ERROR) {
                ended.countDown();
            }
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            streams.close(CloseOptions.groupMembershipOperation(CloseOptions.GroupMembershipOperation.LEAVE_GROUP).withTimeout(Duration.ofSeconds(20)));
            ended.countDown();
        }));
        streams.start();
        ended.await();
        if (streams.state() == KafkaStreams.State.ERROR) {
            System.exit(1);
        }
    }
}
