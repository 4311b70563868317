import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.ObjectWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashSet;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.WindowedSerdes;
import org.apache.kafka.streams.processor.StateRestoreListener;

/** The twin of streams_child.go: the same job, the same topologies, the same lines on standard output. */
public class StreamsBench {
    public static class Event {
        public long id;
        public String user;
        public String item;
        public long amount;
        public double price;
        public long time;
        public boolean ok;
    }

    public static class Total {
        public long count;
        public long sum;
        public long max;
    }

    public static class Pair {
        public String user;
        public long left;
        public long right;
    }

    public static class Job {
        public String broker;
        public String app;
        public String workload;
        public long records;
        public long cache;
        @JsonProperty("commit_ms")
        public long commitMs;
        public boolean eos;
        public String dir;
        public String input;
        public String output;
        public String profile;
    }

    static final ObjectMapper MAPPER = new ObjectMapper();
    static final AtomicLong taken = new AtomicLong();
    static final AtomicLong sent = new AtomicLong();
    static final CountDownLatch done = new CountDownLatch(1);
    static Job job;

    static <T> Serde<T> json(Class<T> type) {
        ObjectReader reader = MAPPER.readerFor(type);
        ObjectWriter writer = MAPPER.writerFor(type);
        return Serdes.serdeFrom(
            (topic, value) -> {
                try {
                    return value == null ? null : writer.writeValueAsBytes(value);
                } catch (IOException e) {
                    throw new SerializationException(e);
                }
            },
            (topic, bytes) -> {
                try {
                    return bytes == null ? null : reader.readValue(bytes);
                } catch (IOException e) {
                    throw new SerializationException(e);
                }
            });
    }

    static void say(String line) {
        System.out.println(line);
        System.out.flush();
    }

    static void count() {
        long n = taken.incrementAndGet();
        if (n == job.records / 2) {
            say("half");
        } else if (n == job.records) {
            synchronized (StreamsBench.class) {
                all = true;
                tell();
            }
        }
    }

    static final int PARTITIONS = 4;
    static final Set<TopicPartition> restored = new HashSet<>();
    static KafkaStreams.State state;
    static boolean began;
    static boolean running;
    static boolean all;

    /** A restore is done when every store is and the app runs: the task of the record that asks for a key may have begun long before. */
    static synchronized void tell() {
        boolean restore = job.workload.equals("restore");
        if (restore && !running && state == KafkaStreams.State.RUNNING && restored.size() == PARTITIONS) {
            running = true;
            say("running");
        }
        if (all && (running || !restore)) {
            all = false;
            say("done");
            done.countDown();
        }
    }

    static final Serde<String> strings = Serdes.String();
    static final Serde<Event> events = json(Event.class);
    static final Serde<Pair> pairs = json(Pair.class);

    static Pair pair(Event l, Event r) {
        Pair p = new Pair();
        p.user = l.user;
        p.left = l.amount;
        p.right = r.amount;
        return p;
    }

    static KStream<String, Event> in(StreamsBuilder b, String name) {
        return b.stream(name, Consumed.with(strings, events));
    }

    static void topology(StreamsBuilder b) {
        switch (job.workload) {
            case "filter":
                in(b, job.input + "events").peek((k, v) -> count())
                    .filter((k, e) -> e.amount % 4 != 0)
                    .mapValues(e -> {
                        e.price *= 1.5;
                        e.ok = !e.ok;
                        return e;
                    })
                    .peek((k, v) -> sent.incrementAndGet())
                    .to(job.output, Produced.with(strings, events));
                return;
            case "count":
                in(b, job.input + "events").peek((k, v) -> count())
                    .groupByKey(Grouped.with(strings, events))
                    .count(Materialized.as("counts"))
                    .toStream()
                    .peek((k, v) -> sent.incrementAndGet())
                    .to(job.output, Produced.with(strings, Serdes.Long()));
                return;
            case "hop": {
                Serde<Total> totals = json(Total.class);
                in(b, job.input + "events").peek((k, v) -> count())
                    .groupByKey(Grouped.with(strings, events))
                    .windowedBy(TimeWindows.ofSizeWithNoGrace(Duration.ofSeconds(5)).advanceBy(Duration.ofSeconds(1)))
                    .aggregate(Total::new, (k, e, t) -> {
                        t.count++;
                        t.sum += e.amount;
                        t.max = Math.max(t.max, e.amount);
                        return t;
                    }, Materialized.<String, Total, org.apache.kafka.streams.state.WindowStore<org.apache.kafka.common.utils.Bytes, byte[]>>as("hops").withKeySerde(strings).withValueSerde(totals))
                    .toStream()
                    .peek((k, v) -> sent.incrementAndGet())
                    .to(job.output, Produced.with(WindowedSerdes.timeWindowedSerdeFrom(String.class, 5000), totals));
                return;
            }
            case "join": {
                KStream<String, Event> left = in(b, job.input + "left").peek((k, v) -> count());
                KStream<String, Event> right = in(b, job.input + "right").peek((k, v) -> count());
                left.join(right, StreamsBench::pair, JoinWindows.ofTimeDifferenceWithNoGrace(Duration.ofSeconds(1)),
                        StreamJoined.with(strings, events, events).withName("joined").withStoreName("joined"))
                    .peek((k, v) -> sent.incrementAndGet())
                    .to(job.output, Produced.with(strings, pairs));
                return;
            }
            case "table": {
                KTable<String, Event> items = b.table(job.input + "items", Consumed.with(strings, events), Materialized.as("items"));
                in(b, job.input + "events")
                    .selectKey((k, e) -> e.item)
                    .repartition(Repartitioned.<String, Event>as("by-item").withKeySerde(strings).withValueSerde(events))
                    .peek((k, v) -> count())
                    .join(items, StreamsBench::pair, Joined.with(strings, events, events))
                    .peek((k, v) -> sent.incrementAndGet())
                    .to(job.output, Produced.with(strings, pairs));
                return;
            }
            case "restore": {
                KTable<String, Event> items = b.table(job.app + "-items", Consumed.with(strings, events), Materialized.as("restored"));
                in(b, job.app + "-probe").peek((k, v) -> count())
                    .join(items, StreamsBench::pair, Joined.with(strings, events, events))
                    .peek((k, v) -> sent.incrementAndGet())
                    .to(job.output, Produced.with(strings, pairs));
                return;
            }
            default:
                throw new IllegalArgumentException(job.workload);
        }
    }

    public static void main(String[] args) throws Exception {
        job = MAPPER.readValue(Files.readAllBytes(Path.of(args[0])), Job.class);
        Properties p = new Properties();
        p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, job.broker);
        p.put(StreamsConfig.APPLICATION_ID_CONFIG, job.app);
        p.put(StreamsConfig.STATE_DIR_CONFIG, job.dir);
        p.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
        p.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, job.commitMs);
        p.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, job.cache);
        p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, job.eos ? StreamsConfig.EXACTLY_ONCE_V2 : StreamsConfig.AT_LEAST_ONCE);
        p.put("consumer.auto.offset.reset", "earliest");
        StreamsBuilder b = new StreamsBuilder();
        topology(b);
        KafkaStreams streams = new KafkaStreams(b.build(p), p);
        streams.setUncaughtExceptionHandler(e -> {
            e.printStackTrace();
            done.countDown();
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.setStateListener((now, was) -> {
            synchronized (StreamsBench.class) {
                state = now;
                tell();
            }
        });
        streams.setGlobalStateRestoreListener(new StateRestoreListener() {
            public void onRestoreStart(TopicPartition tp, String store, long from, long to) {
                synchronized (StreamsBench.class) {
                    if (!began) {
                        began = true;
                        say("begin");
                    }
                }
            }

            public void onBatchRestored(TopicPartition tp, String store, long to, long n) {
            }

            public void onRestoreEnd(TopicPartition tp, String store, long n) {
                synchronized (StreamsBench.class) {
                    restored.add(tp);
                    tell();
                }
            }
        });
        streams.start();
        done.await();
        streams.close(Duration.ofSeconds(60));
        say("outputs " + sent.get());
        System.exit(0);
    }
}
