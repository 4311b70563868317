import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.CloseOptions;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.DefaultProductionExceptionHandler;
import org.apache.kafka.streams.errors.ErrorHandlerContext;
import org.apache.kafka.streams.errors.LogAndContinueProcessingExceptionHandler;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;

/**
 * Runs applications of Kafka Streams. Requests are lines on standard input, each is served in a thread of its own and answered by
 * a line on standard output that begins with the application id: then "ok", or what went wrong.
 *
 * <pre>
 * start ID PROGRAM TOPIC-PREFIX BROKER GUARANTEE STATE-DIRECTORY PROTOCOL [CONFIG=VALUE]...    answered when it is running
 * tasks ID                                                       its active tasks, "/", those it keeps copies of
 * close ID                                                       answered when it has left its group
 * </pre>
 */
public final class Twin {
    private static final Map<String, KafkaStreams> RUNNING = new ConcurrentHashMap<>();

    private Twin() {
    }

    public static void main(String[] args) throws Exception {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        System.setOut(new PrintStream(OutputStream.nullOutputStream()));
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] w = line.split(" ");
            new Thread(() -> {
                String answer = "ok";
                try {
                    if (w[0].equals("start")) {
                        start(w);
                    } else if (w[0].equals("tasks")) {
                        answer = tasks(w[1]);
                    } else {
                        close(w[1]);
                    }
                } catch (Exception e) {
                    answer = e.toString().replace('\n', ' ');
                }
                out.println(w[1] + " " + answer);
            }).start();
        }
        System.exit(0);
    }

    private static void start(String[] w) throws Exception {
        Properties props = new Properties();
        props.put(StreamsConfig.APPLICATION_ID_CONFIG, w[1]);
        props.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, w[4]);
        props.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, w[5]);
        props.put(StreamsConfig.STATE_DIR_CONFIG, w[6]);
        props.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.String().getClass());
        props.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.String().getClass());
        props.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0L);
        props.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 20L);
        props.put(StreamsConfig.POLL_MS_CONFIG, 10L);
        props.put("main.consumer.fetch.max.wait.ms", 20);
        props.put("producer.linger.ms", 0);
        // Results that wait for time are looked for with each record.
        props.put("__emit.interval.ms.kstreams.outer.join.spurious.results.fix__", 0L);
        props.put("__emit.interval.ms.kstreams.windowed.aggregation__", 0L);
        props.put(StreamsConfig.GROUP_PROTOCOL_CONFIG, w[7]);
        if (w[2].equals("refused")) {
            props.put(StreamsConfig.ERRORS_DEAD_LETTER_QUEUE_TOPIC_NAME_CONFIG, w[3] + "-dead");
            props.put(StreamsConfig.PROCESSING_EXCEPTION_HANDLER_CLASS_CONFIG, LogAndContinueProcessingExceptionHandler.class);
            props.put(StreamsConfig.PRODUCTION_EXCEPTION_HANDLER_CLASS_CONFIG, GoOn.class);
        }
        for (int i = 8; i < w.length; i++) {
            String[] kv = w[i].split("=", 2);
            props.put(kv[0], kv[1]);
        }
        StreamsBuilder b = new StreamsBuilder();
        Programs.build(w[2], b, w[3] + "-");
        KafkaStreams s = new KafkaStreams(b.build(), props);
        CountDownLatch settled = new CountDownLatch(1);
        AtomicReference<String> error = new AtomicReference<>();
        s.setStateListener((now, old) -> {
            if (now == KafkaStreams.State.RUNNING || now == KafkaStreams.State.ERROR) {
                settled.countDown();
            }
        });
        s.setUncaughtExceptionHandler(e -> {
            e.printStackTrace();
            error.set(String.valueOf(e.getCause() == null ? e : e.getCause()));
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        RUNNING.put(w[1], s);
        s.start();
        if (!settled.await(60, TimeUnit.SECONDS) || error.get() != null) {
            throw new IllegalStateException("not running: " + error.get());
        }
    }

    private static String tasks(String id) {
        StringBuilder active = new StringBuilder();
        StringBuilder standby = new StringBuilder();
        RUNNING.get(id).metadataForLocalThreads().forEach(thread -> {
            thread.activeTasks().forEach(t -> active.append(t.taskId()).append(' '));
            thread.standbyTasks().forEach(t -> standby.append(t.taskId()).append(' '));
        });
        return active + "/ " + standby;
    }

    /** Goes on without what the cluster does not take, with the default handler's dead letters. */
    public static final class GoOn extends DefaultProductionExceptionHandler {
        @Override
        public Response handleError(ErrorHandlerContext context, ProducerRecord<byte[], byte[]> record, Exception exception) {
            return Response.resume(super.handleError(context, record, exception).deadLetterQueueRecords());
        }
    }

    private static void close(String id) {
        KafkaStreams s = RUNNING.remove(id);
        KafkaStreams.State state = s.state();
        // By default an instance stays in its group until its session times out.
        if (!s.close(CloseOptions.timeout(Duration.ofSeconds(60)).withGroupMembershipOperation(CloseOptions.GroupMembershipOperation.LEAVE_GROUP))) {
            throw new IllegalStateException("it does not close");
        }
        if (state != KafkaStreams.State.RUNNING && state != KafkaStreams.State.REBALANCING) {
            throw new IllegalStateException("it was " + state);
        }
    }
}
