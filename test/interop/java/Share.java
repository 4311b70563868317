import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.serialization.*;

/** Kafka's Java share consumer against the broker at args[0]. Prints "ok NAME" or "FAIL NAME: why" for each check. */
public class Share {
    static String address;
    static volatile boolean failed;
    static Admin admin;

    interface Check { void run() throws Exception; }

    static void check(String name, Check c) {
        try {
            c.run();
            System.out.println("ok " + name);
        } catch (Throwable t) {
            failed = true;
            t.printStackTrace();
            System.out.println(("FAIL " + name + ": " + t).replace('\n', ' '));
        }
    }

    static void that(boolean ok, Object what) {
        if (!ok) throw new AssertionError(String.valueOf(what));
    }

    static void equal(Object got, Object want) {
        that(Objects.equals(got, want), "got " + got + ", want " + want);
    }

    static KafkaShareConsumer<String, String> share(String group, Object... more) {
        Map<String, Object> c = new HashMap<>(Map.of("bootstrap.servers", address, "group.id", group));
        for (int i = 0; i < more.length; i += 2) c.put((String) more[i], more[i + 1]);
        return new KafkaShareConsumer<>(c, new StringDeserializer(), new StringDeserializer());
    }

    static KafkaShareConsumer<String, String> explicit(String group, Object... more) {
        Object[] all = Arrays.copyOf(more, more.length + 2);
        all[more.length] = "share.acknowledgement.mode";
        all[more.length + 1] = "explicit";
        return share(group, all);
    }

    static void topic(String name, int partitions) throws Exception {
        admin.createTopics(List.of(new NewTopic(name, partitions, (short) 1))).all().get();
    }

    /** Sets a group's configs; "share.auto.offset.reset" is earliest unless given. */
    static void group(String name, String... configs) throws Exception {
        Map<String, String> set = new TreeMap<>(Map.of("share.auto.offset.reset", "earliest"));
        for (int i = 0; i < configs.length; i += 2) set.put(configs[i], configs[i + 1]);
        List<AlterConfigOp> ops = new ArrayList<>();
        set.forEach((k, v) -> ops.add(new AlterConfigOp(new ConfigEntry(k, v), AlterConfigOp.OpType.SET)));
        admin.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.GROUP, name), ops)).all().get();
    }

    static void produce(String topic, int from, int count, Object... more) throws Exception {
        Map<String, Object> c = new HashMap<>(Map.of("bootstrap.servers", address, "acks", "all", "linger.ms", 2));
        for (int i = 0; i < more.length; i += 2) c.put((String) more[i], more[i + 1]);
        try (KafkaProducer<String, String> p = new KafkaProducer<>(c, new StringSerializer(), new StringSerializer())) {
            for (int i = from; i < from + count; i++) p.send(new ProducerRecord<>(topic, "k" + i, "v" + i));
            p.flush();
        }
    }

    static List<ConsumerRecord<String, String>> take(KafkaShareConsumer<String, String> c, int count, int seconds) {
        List<ConsumerRecord<String, String>> out = new ArrayList<>();
        long end = System.nanoTime() + seconds * 1_000_000_000L;
        while (out.size() < count && System.nanoTime() < end) c.poll(Duration.ofMillis(200)).forEach(out::add);
        return out;
    }

    static Set<String> values(Collection<ConsumerRecord<String, String>> records) {
        return records.stream().map(ConsumerRecord::value).collect(Collectors.toCollection(TreeSet::new));
    }

    static void done(Map<TopicIdPartition, Optional<KafkaException>> results) {
        results.forEach((tp, e) -> that(e.isEmpty(), tp + ": " + e));
    }

    static long lag(String group, String topic) throws Exception {
        long lag = 0;
        Map<TopicPartition, SharePartitionOffsetInfo> offsets = admin.listShareGroupOffsets(Map.of(group, new ListShareGroupOffsetsSpec()))
            .partitionsToOffsetInfo(group).get();
        for (var e : offsets.entrySet())
            if (e.getKey().topic().equals(topic)) lag += e.getValue().lag().orElse(-1_000_000L);
        return lag;
    }

    static void implicit() throws Exception {
        topic("sh-implicit", 3);
        group("sh-implicit");
        produce("sh-implicit", 0, 500);
        try (var c = share("sh-implicit", "max.poll.records", 70)) {
            c.subscribe(List.of("sh-implicit"));
            var got = take(c, 500, 30);
            equal(got.size(), 500);
            equal(values(got).size(), 500);
            for (var r : got) equal(r.deliveryCount(), Optional.of((short) 1));
            done(c.commitSync());
            equal(c.acquisitionLockTimeoutMs(), Optional.of(30000));
            equal(c.poll(Duration.ofSeconds(1)).count(), 0);
        }
        equal(lag("sh-implicit", "sh-implicit"), 0L);
    }

    static void explicitKinds() throws Exception {
        topic("sh-explicit", 1);
        group("sh-explicit");
        produce("sh-explicit", 0, 30);
        try (var c = explicit("sh-explicit")) {
            c.subscribe(List.of("sh-explicit"));
            var got = take(c, 30, 20);
            equal(got.size(), 30);
            for (var r : got) {
                long n = r.offset() % 3;
                c.acknowledge(r, n == 0 ? AcknowledgeType.ACCEPT : n == 1 ? AcknowledgeType.RELEASE : AcknowledgeType.REJECT);
            }
            done(c.commitSync());
            var again = take(c, 10, 20);
            equal(again.size(), 10);
            for (var r : again) {
                equal(r.offset() % 3, 1L);
                equal(r.deliveryCount(), Optional.of((short) 2));
                c.acknowledge(r);
            }
            done(c.commitSync());
            equal(c.poll(Duration.ofSeconds(1)).count(), 0);
        }
        equal(lag("sh-explicit", "sh-explicit"), 0L);
    }

    /** Records are released as often as they may be delivered, and then are gone. */
    static void limit() throws Exception {
        topic("sh-limit", 1);
        group("sh-limit", "share.delivery.count.limit", "3");
        produce("sh-limit", 0, 8);
        Map<Long, Integer> times = new TreeMap<>();
        try (var c = explicit("sh-limit")) {
            c.subscribe(List.of("sh-limit"));
            long end = System.nanoTime() + 25_000_000_000L;
            int empty = 0;
            while (System.nanoTime() < end && empty < 4) {
                var got = c.poll(Duration.ofMillis(500));
                empty = got.isEmpty() && !times.isEmpty() ? empty + 1 : 0;
                for (var r : got) {
                    equal(r.deliveryCount().get().intValue(), times.merge(r.offset(), 1, Integer::sum));
                    c.acknowledge(r, AcknowledgeType.RELEASE);
                }
                done(c.commitSync());
            }
        }
        equal(times.size(), 8);
        times.forEach((o, n) -> equal(n, 3));
        equal(lag("sh-limit", "sh-limit"), 0L);
    }

    /** What a member holds goes to others when it closes. */
    static void close() throws Exception {
        topic("sh-close", 1);
        group("sh-close");
        produce("sh-close", 0, 20);
        try (var a = explicit("sh-close")) {
            a.subscribe(List.of("sh-close"));
            var got = take(a, 20, 20);
            equal(got.size(), 20);
            for (var r : got.subList(0, 5)) a.acknowledge(r);
        }
        try (var b = share("sh-close")) {
            b.subscribe(List.of("sh-close"));
            var got = take(b, 15, 20);
            equal(got.size(), 15);
            for (var r : got) {
                that(r.offset() >= 5, r.offset());
                equal(r.deliveryCount(), Optional.of((short) 2));
            }
        }
    }

    /** Two members and one partition: each record goes to one of them. */
    static void together() throws Exception {
        topic("sh-two", 1);
        group("sh-two");
        Set<String> seen = ConcurrentHashMap.newKeySet();
        ConcurrentMap<Integer, Integer> share = new ConcurrentHashMap<>();
        List<String> twice = Collections.synchronizedList(new ArrayList<>());
        int count = 4000;
        ExecutorService pool = Executors.newFixedThreadPool(2);
        List<Future<?>> both = new ArrayList<>();
        for (int n = 0; n < 2; n++) {
            int member = n;
            both.add(pool.submit(() -> {
                try (var c = share("sh-two", "max.poll.records", 50)) {
                    c.subscribe(List.of("sh-two"));
                    long end = System.nanoTime() + 40_000_000_000L;
                    while (seen.size() < count && System.nanoTime() < end)
                        for (var r : c.poll(Duration.ofMillis(200))) {
                            share.merge(member, 1, Integer::sum);
                            if (!seen.add(r.value())) twice.add(r.value());
                        }
                    c.commitSync();
                }
                return null;
            }));
        }
        // Spread over a while, so that both get something whoever joins first.
        for (int i = 0; i < count; i += 200) {
            produce("sh-two", i, 200);
            Thread.sleep(200);
        }
        for (Future<?> f : both) f.get();
        pool.shutdown();
        equal(seen.size(), count);
        equal(twice, List.of());
        equal(share.size(), 2);
        equal(lag("sh-two", "sh-two"), 0L);
    }

    static void committed() throws Exception {
        topic("sh-committed", 1);
        group("sh-committed", "share.isolation.level", "read_committed");
        group("sh-uncommitted");
        try (KafkaProducer<String, String> p = new KafkaProducer<>(Map.of("bootstrap.servers", address, "transactional.id", "sh-txn"), new StringSerializer(), new StringSerializer())) {
            p.initTransactions();
            for (int t = 0; t < 10; t++) {
                p.beginTransaction();
                for (int i = 0; i < 5; i++) p.send(new ProducerRecord<>("sh-committed", (t % 2 == 0 ? "yes" : "no") + t + "-" + i));
                p.flush();
                if (t % 2 == 0) p.commitTransaction(); else p.abortTransaction();
            }
        }
        produce("sh-committed", 0, 5);
        try (var c = share("sh-committed"); var u = share("sh-uncommitted")) {
            c.subscribe(List.of("sh-committed"));
            u.subscribe(List.of("sh-committed"));
            var got = take(c, 30, 20);
            equal(got.size(), 30);
            for (var r : got) that(!r.value().startsWith("no"), r.value());
            done(c.commitSync());
            equal(take(u, 55, 20).size(), 55);
            done(u.commitSync());
            equal(c.poll(Duration.ofSeconds(1)).count(), 0);
        }
        equal(lag("sh-committed", "sh-committed"), 0L);
        equal(lag("sh-uncommitted", "sh-committed"), 0L);
    }

    static void recordLimit() throws Exception {
        topic("sh-exact", 1);
        group("sh-exact");
        produce("sh-exact", 0, 40, "linger.ms", 100);
        try (var c = share("sh-exact", "max.poll.records", 7, "share.acquire.mode", "record_limit")) {
            c.subscribe(List.of("sh-exact"));
            int sum = 0;
            long end = System.nanoTime() + 20_000_000_000L;
            while (sum < 40 && System.nanoTime() < end) {
                int n = c.poll(Duration.ofMillis(300)).count();
                that(n <= 7, n + " records in one poll");
                sum += n;
            }
            equal(sum, 40);
        }
    }

    /** A lock that runs out gives the records to others, and who had them is told. */
    static void timeout() throws Exception {
        topic("sh-timeout", 1);
        group("sh-timeout", "share.record.lock.duration.ms", "15000");
        produce("sh-timeout", 0, 10);
        try (var a = explicit("sh-timeout"); var b = explicit("sh-timeout")) {
            a.subscribe(List.of("sh-timeout"));
            var got = take(a, 10, 20);
            long since = System.nanoTime();
            equal(got.size(), 10);
            equal(a.acquisitionLockTimeoutMs(), Optional.of(15000));
            b.subscribe(List.of("sh-timeout"));
            var late = take(b, 10, 25);
            long took = (System.nanoTime() - since) / 1_000_000;
            that(took > 13_500 && took < 20_000, "delivered after " + took + " ms");
            equal(late.size(), 10);
            for (var r : late) {
                equal(r.deliveryCount(), Optional.of((short) 2));
                b.acknowledge(r);
            }
            for (var r : got) a.acknowledge(r);
            for (var e : a.commitSync().values()) that(e.isPresent() && e.get() instanceof InvalidRecordStateException, e);
            done(b.commitSync());
        }
        equal(lag("sh-timeout", "sh-timeout"), 0L);
    }

    /** A lock that is renewed keeps others out. */
    static void renewal() throws Exception {
        topic("sh-renew", 1);
        group("sh-renew", "share.record.lock.duration.ms", "15000");
        produce("sh-renew", 0, 10);
        try (var a = explicit("sh-renew"); var b = explicit("sh-renew")) {
            a.subscribe(List.of("sh-renew"));
            var got = take(a, 10, 20);
            equal(got.size(), 10);
            b.subscribe(List.of("sh-renew"));
            equal(take(b, 1, 9).size(), 0);
            for (var r : got) a.acknowledge(r, AcknowledgeType.RENEW);
            done(a.commitSync());
            equal(take(b, 1, 10).size(), 0);
            // What was renewed comes out of poll again, without having been delivered again.
            var renewed = take(a, 10, 5);
            equal(renewed.size(), 10);
            for (var r : renewed) {
                equal(r.deliveryCount(), Optional.of((short) 1));
                a.acknowledge(r);
            }
            done(a.commitSync());
            equal(take(b, 1, 1).size(), 0);
        }
        equal(lag("sh-renew", "sh-renew"), 0L);
    }

    static void starts() throws Exception {
        topic("sh-starts", 1);
        produce("sh-starts", 0, 5);
        group("sh-latest", "share.auto.offset.reset", "latest");
        group("sh-duration", "share.auto.offset.reset", "by_duration:PT1H");
        try (var l = share("sh-latest"); var d = share("sh-duration")) {
            for (var c : List.of(l, d)) c.subscribe(List.of("sh-starts"));
            equal(take(d, 5, 20).size(), 5);
            // Members get their partitions with a heartbeat after the first.
            equal(take(l, 1, 8).size(), 0);
            produce("sh-starts", 5, 3);
            equal(values(take(l, 3, 10)), Set.of("v5", "v6", "v7"));
        }
    }

    /** The commit callback tells of each acknowledgement. */
    static void callback() throws Exception {
        topic("sh-callback", 2);
        group("sh-callback");
        produce("sh-callback", 0, 50);
        Map<TopicIdPartition, Set<Long>> told = new HashMap<>();
        List<Exception> errors = new ArrayList<>();
        try (var c = share("sh-callback")) {
            c.setAcknowledgementCommitCallback((offsets, e) -> {
                if (e != null) errors.add(e);
                offsets.forEach((tp, set) -> told.computeIfAbsent(tp, x -> new HashSet<>()).addAll(set));
            });
            c.subscribe(List.of("sh-callback"));
            equal(take(c, 50, 20).size(), 50);
            c.commitAsync();
            long end = System.nanoTime() + 10_000_000_000L;
            while (told.values().stream().mapToInt(Set::size).sum() < 50 && System.nanoTime() < end) c.poll(Duration.ofMillis(100));
        }
        equal(errors, List.of());
        equal(told.values().stream().mapToInt(Set::size).sum(), 50);
    }

    /** Records that retention takes away do not hold a group up. */
    static void deleted() throws Exception {
        topic("sh-deleted", 1);
        group("sh-deleted");
        produce("sh-deleted", 0, 30);
        TopicPartition tp = new TopicPartition("sh-deleted", 0);
        try (var c = explicit("sh-deleted")) {
            c.subscribe(List.of("sh-deleted"));
            var got = take(c, 30, 20);
            equal(got.size(), 30);
            for (var r : got) c.acknowledge(r, AcknowledgeType.RELEASE);
            done(c.commitSync());
            admin.deleteRecords(Map.of(tp, RecordsToDelete.beforeOffset(25))).all().get();
            var again = take(c, 5, 20);
            for (var r : again) {
                that(r.offset() >= 25 || r.deliveryCount().get() == 2, r.offset());
                c.acknowledge(r);
            }
            c.commitSync();
        }
    }

    public static void main(String[] args) throws Exception {
        address = args[0];
        Set<String> only = new HashSet<>(Arrays.asList(args).subList(1, args.length));
        admin = Admin.create(Map.of("bootstrap.servers", address));
        Map<String, Check> all = new LinkedHashMap<>();
        all.put("implicit acknowledgement", Share::implicit);
        all.put("accept, release and reject", Share::explicitKinds);
        all.put("delivery count limit", Share::limit);
        all.put("closing gives back", Share::close);
        all.put("two members share a partition", Share::together);
        all.put("read committed", Share::committed);
        all.put("record limit", Share::recordLimit);
        all.put("where groups begin", Share::starts);
        all.put("commit callback", Share::callback);
        all.put("deleted records", Share::deleted);
        all.put("lock timeout", Share::timeout);
        all.put("renewal", Share::renewal);
        ExecutorService pool = Executors.newFixedThreadPool(args.length > 1 ? 1 : 3);
        List<Future<?>> running = new ArrayList<>();
        all.forEach((name, c) -> {
            if (only.isEmpty() || only.contains(name)) running.add(pool.submit(() -> check(name, c)));
        });
        for (Future<?> f : running) f.get();
        pool.shutdown();
        admin.close();
        System.exit(failed ? 1 : 0);
    }
}
