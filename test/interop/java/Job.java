import java.time.Duration;
import java.util.*;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.serialization.*;

/** Kafka's own Java clients against the broker at args[0]. Prints "ok NAME" or "FAIL NAME: why" for each check. */
public class Job {
    static String address;
    static boolean failed;
    static final int COUNT = 3000;
    /** Recent, or retention takes the records away during the job. */
    static final long BASE = System.currentTimeMillis() - 600_000;

    interface Check { void run() throws Exception; }

    static void check(String name, Check c) {
        try {
            c.run();
            System.out.println("ok " + name);
        } catch (Throwable t) {
            failed = true;
            t.printStackTrace();
            if (t.getCause() != null) t.getCause().printStackTrace();
            System.out.println(("FAIL " + name + ": " + t).replace('\n', ' '));
        }
    }

    static void that(boolean ok, Object what) {
        if (!ok) throw new AssertionError(String.valueOf(what));
    }

    static void equal(Object got, Object want) {
        that(Objects.equals(got, want), "got " + got + ", want " + want);
    }

    static void refused(Class<?> cause, Future<?> f) throws Exception {
        try {
            f.get();
        } catch (ExecutionException e) {
            that(cause.isInstance(e.getCause()), "refused with " + e.getCause() + ", want " + cause);
            return;
        }
        throw new AssertionError("not refused, want " + cause);
    }

    static KafkaProducer<String, String> producer(Object... more) {
        Map<String, Object> c = new HashMap<>(Map.of("bootstrap.servers", address, "acks", "all", "delivery.timeout.ms", 30000, "request.timeout.ms", 10000, "linger.ms", 5));
        for (int i = 0; i < more.length; i += 2) c.put((String) more[i], more[i + 1]);
        return new KafkaProducer<>(c, new StringSerializer(), new StringSerializer());
    }

    static KafkaConsumer<String, String> consumer(String group, Object... more) {
        Map<String, Object> c = new HashMap<>(Map.of("bootstrap.servers", address, "group.id", group, "auto.offset.reset", "earliest", "enable.auto.commit", false, "session.timeout.ms", 10000));
        for (int i = 0; i < more.length; i += 2) c.put((String) more[i], more[i + 1]);
        return new KafkaConsumer<>(c, new StringDeserializer(), new StringDeserializer());
    }

    static List<ConsumerRecord<String, String>> drain(Consumer<String, String> c, int count, int seconds) {
        List<ConsumerRecord<String, String>> out = new ArrayList<>();
        long end = System.nanoTime() + seconds * 1_000_000_000L;
        while (out.size() < count && System.nanoTime() < end)
            c.poll(Duration.ofMillis(200)).forEach(out::add);
        return out;
    }

    static void topics(Admin admin) throws Exception {
        CreateTopicsResult r = admin.createTopics(List.of(new NewTopic("j-main", 3, (short) 1).configs(Map.of("retention.ms", "3600000"))));
        equal(r.numPartitions("j-main").get(), 3);
        equal(r.config("j-main").get().get("retention.ms").value(), "3600000");
        refused(TopicExistsException.class, admin.createTopics(List.of(new NewTopic("j-main", 3, (short) 1))).all());
        refused(InvalidTopicException.class, admin.createTopics(List.of(new NewTopic("no/slash", 1, (short) 1))).all());
        refused(InvalidReplicationFactorException.class, admin.createTopics(List.of(new NewTopic("j-rf", 1, (short) 3))).all());
        refused(InvalidPartitionsException.class, admin.createTopics(List.of(new NewTopic("j-p", 0, (short) 1))).all());
        refused(InvalidConfigurationException.class, admin.createTopics(List.of(new NewTopic("j-c", 1, (short) 1).configs(Map.of("no.such", "1")))).all());
        admin.createTopics(List.of(new NewTopic("j-dry", 1, (short) 1)), new CreateTopicsOptions().validateOnly(true)).all().get();
        that(!admin.listTopics().names().get().contains("j-dry"), "validateOnly created a topic");
        admin.createPartitions(Map.of("j-main", NewPartitions.increaseTo(4))).all().get();
        refused(InvalidPartitionsException.class, admin.createPartitions(Map.of("j-main", NewPartitions.increaseTo(2))).all());
        TopicDescription d = admin.describeTopics(List.of("j-main")).allTopicNames().get().get("j-main");
        equal(d.partitions().size(), 4);
        equal(admin.describeTopics(TopicCollection.ofTopicIds(List.of(d.topicId()))).allTopicIds().get().get(d.topicId()).name(), "j-main");
        refused(UnknownTopicOrPartitionException.class, admin.describeTopics(List.of("j-none")).allTopicNames());
        refused(UnknownTopicOrPartitionException.class, admin.deleteTopics(List.of("j-none")).all());
    }

    static void configs(Admin admin) throws Exception {
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, "j-main");
        admin.incrementalAlterConfigs(Map.of(topic, List.of(
            new AlterConfigOp(new ConfigEntry("retention.ms", "7200000"), AlterConfigOp.OpType.SET),
            new AlterConfigOp(new ConfigEntry("cleanup.policy", "compact"), AlterConfigOp.OpType.APPEND)))).all().get();
        Config c = admin.describeConfigs(List.of(topic), new DescribeConfigsOptions().includeSynonyms(true).includeDocumentation(true)).all().get().get(topic);
        equal(c.get("retention.ms").value(), "7200000");
        equal(c.get("retention.ms").source(), ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG);
        that(c.get("cleanup.policy").synonyms().size() >= 2, c.get("cleanup.policy").synonyms());
        equal(c.get("cleanup.policy").value(), "delete,compact");
        that(c.get("cleanup.policy").documentation() != null && c.get("cleanup.policy").documentation().length() > 10, "no documentation");
        equal(c.get("max.message.bytes").source(), ConfigEntry.ConfigSource.DEFAULT_CONFIG);
        equal(c.entries().size(), 33);
        admin.incrementalAlterConfigs(Map.of(topic, List.of(
            new AlterConfigOp(new ConfigEntry("retention.ms", null), AlterConfigOp.OpType.DELETE),
            new AlterConfigOp(new ConfigEntry("cleanup.policy", null), AlterConfigOp.OpType.DELETE)))).all().get();
        refused(InvalidConfigurationException.class, admin.incrementalAlterConfigs(Map.of(topic, List.of(
            new AlterConfigOp(new ConfigEntry("retention.ms", "soon"), AlterConfigOp.OpType.SET)))).all());
        Node node = admin.describeCluster().nodes().get().iterator().next();
        ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, node.idString());
        Config b = admin.describeConfigs(List.of(broker)).all().get().get(broker);
        for (String name : List.of("log.retention.hours", "num.partitions", "auto.create.topics.enable", "message.max.bytes", "offsets.topic.num.partitions"))
            that(b.get(name) != null, "the broker describes no " + name);
    }

    static void produce() throws Exception {
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            try (KafkaProducer<String, String> p = producer("compression.type", codec)) {
                List<Future<RecordMetadata>> sent = new ArrayList<>();
                for (int i = 0; i < COUNT / 5; i++) {
                    ProducerRecord<String, String> r = new ProducerRecord<>("j-main", null, BASE + i, "k" + i % 13, codec + i);
                    r.headers().add("h", new byte[] {1, 2});
                    sent.add(p.send(r));
                }
                p.flush();
                for (Future<RecordMetadata> f : sent) that(f.get().hasOffset(), "no offset");
            }
        }
        try (KafkaProducer<String, String> p = producer("acks", "1", "enable.idempotence", false)) {
            that(p.send(new ProducerRecord<>("j-acks", "k", "v")).get().hasOffset(), "acks=1 has no offset");
        }
        try (KafkaProducer<String, String> p = producer("acks", "0", "enable.idempotence", false)) {
            that(!p.send(new ProducerRecord<>("j-acks", "k", "v")).get().hasOffset(), "acks=0 has an offset");
        }
    }

    static void refusedRecords(Admin admin) throws Exception {
        try (KafkaProducer<String, String> p = producer("max.request.size", 10_000_000, "buffer.memory", 50_000_000)) {
            refused(RecordTooLargeException.class, p.send(new ProducerRecord<>("j-acks", "k", "x".repeat(3_000_000))));
            admin.createTopics(List.of(new NewTopic("j-compact", 1, (short) 1).configs(Map.of("cleanup.policy", "compact")))).all().get();
            refused(InvalidRecordException.class, p.send(new ProducerRecord<>("j-compact", null, "no key")));
            admin.createTopics(List.of(new NewTopic("j-time", 1, (short) 1).configs(Map.of("message.timestamp.before.max.ms", "1000")))).all().get();
            refused(InvalidTimestampException.class, p.send(new ProducerRecord<>("j-time", null, 1L, "k", "v")));
            admin.createTopics(List.of(new NewTopic("j-append", 1, (short) 1).configs(Map.of("message.timestamp.type", "LogAppendTime")))).all().get();
            that(p.send(new ProducerRecord<>("j-append", null, 1L, "k", "v")).get().timestamp() > 1_000_000_000_000L, "LogAppendTime not answered");
        }
    }

    static void group() throws Exception {
        KafkaConsumer<String, String> a = consumer("j-group", "partition.assignment.strategy", CooperativeStickyAssignor.class.getName());
        KafkaConsumer<String, String> b = consumer("j-group", "partition.assignment.strategy", CooperativeStickyAssignor.class.getName());
        Set<String> seen = new HashSet<>();
        a.subscribe(List.of("j-main"));
        drain(a, 100, 20).forEach(r -> seen.add(r.partition() + "/" + r.offset()));
        b.subscribe(List.of("j-main"));
        long end = System.nanoTime() + 30_000_000_000L;
        while (System.nanoTime() < end && !(a.assignment().size() == 2 && b.assignment().size() == 2))
            for (Consumer<String, String> c : List.of(a, b)) c.poll(Duration.ofMillis(100)).forEach(r -> seen.add(r.partition() + "/" + r.offset()));
        equal(a.assignment().size() + "+" + b.assignment().size(), "2+2");
        while (System.nanoTime() < end && seen.size() < COUNT)
            for (Consumer<String, String> c : List.of(a, b)) c.poll(Duration.ofMillis(100)).forEach(r -> {
                seen.add(r.partition() + "/" + r.offset());
                that(r.headers().lastHeader("h") != null, "header lost");
            });
        equal(seen.size(), COUNT);
        // A partition that moved was read twice: both go on to the ends of theirs before they commit.
        for (Consumer<String, String> c : List.of(a, b)) drain(c, Integer.MAX_VALUE, 2);
        a.commitSync();
        b.commitSync();
        a.close();
        b.close();
        try (KafkaConsumer<String, String> c = consumer("j-group")) {
            c.subscribe(List.of("j-main"));
            equal(drain(c, 1, 4).size(), 0);
        }
    }

    static KafkaConsumer<String, String> newer(String group, Object... more) {
        Map<String, Object> c = new HashMap<>(Map.of("bootstrap.servers", address, "group.id", group, "group.protocol", "consumer", "auto.offset.reset", "earliest", "enable.auto.commit", false));
        for (int i = 0; i < more.length; i += 2) c.put((String) more[i], more[i + 1]);
        return new KafkaConsumer<>(c, new StringDeserializer(), new StringDeserializer());
    }

    /** Polls until each consumer has that many partitions. */
    static void share(Set<String> seen, List<KafkaConsumer<String, String>> consumers, int... each) {
        long end = System.nanoTime() + 45_000_000_000L;
        while (System.nanoTime() < end) {
            boolean all = true;
            for (int i = 0; i < each.length; i++) {
                consumers.get(i).poll(Duration.ofMillis(100)).forEach(r -> seen.add(r.partition() + "/" + r.offset()));
                all &= consumers.get(i).assignment().size() == each[i];
            }
            if (all) return;
        }
        throw new AssertionError("partitions: " + consumers.stream().map(c -> c.assignment().toString()).toList());
    }

    /** KIP-848: the broker resolves the pattern and assigns. */
    static void newerGroup(Admin admin) throws Exception {
        Set<String> seen = new HashSet<>();
        KafkaConsumer<String, String> a = newer("j-848", "client.rack", "r1");
        KafkaConsumer<String, String> b = newer("j-848", "group.remote.assignor", "range");
        a.subscribe(new SubscriptionPattern("j-ma.n"));
        share(seen, List.of(a), 4);
        b.subscribe(List.of("j-main"));
        share(seen, List.of(a, b), 2, 2);
        ConsumerGroupDescription d = admin.describeConsumerGroups(List.of("j-848")).all().get().get("j-848");
        equal(d.groupState() + " " + d.type() + " " + d.members().size(), "Stable Consumer 2");
        for (Consumer<String, String> c : List.of(a, b)) drain(c, Integer.MAX_VALUE, 3).forEach(r -> seen.add(r.partition() + "/" + r.offset()));
        equal(seen.size(), COUNT);
        a.commitSync();
        b.commitSync();
        b.close();
        share(seen, List.of(a), 4);
        a.close();
        equal(admin.describeConsumerGroups(List.of("j-848")).all().get().get("j-848").groupState(), GroupState.EMPTY);
        try (KafkaConsumer<String, String> c = newer("j-848", "group.instance.id", "one")) {
            c.subscribe(List.of("j-main"));
            equal(drain(c, 1, 4).size(), 0);
        }
        try (KafkaConsumer<String, String> c = newer("j-848-bad")) {
            c.subscribe(new SubscriptionPattern("("));
            drain(c, 1, 4);
            that(false, "took a bad pattern");
        } catch (InvalidRegularExpression e) {
            // as it should
        }
    }

    /** A classic group is upgraded while it reads, and goes back when the last newer member leaves. */
    static void migration(Admin admin) throws Exception {
        Set<String> seen = new HashSet<>();
        KafkaConsumer<String, String> a = consumer("j-mixed", "partition.assignment.strategy", CooperativeStickyAssignor.class.getName());
        KafkaConsumer<String, String> b = newer("j-mixed");
        a.subscribe(List.of("j-main"));
        share(seen, List.of(a), 4);
        b.subscribe(List.of("j-main"));
        share(seen, List.of(a, b), 2, 2);
        equal(admin.describeConsumerGroups(List.of("j-mixed")).all().get().get("j-mixed").type(), GroupType.CONSUMER);
        a.commitSync();
        b.commitSync();
        b.close();
        share(seen, List.of(a), 4);
        equal(admin.describeConsumerGroups(List.of("j-mixed")).all().get().get("j-mixed").type(), GroupType.CLASSIC);
        a.close();
    }

    static void groupConfigs(Admin admin) throws Exception {
        ConfigResource r = new ConfigResource(ConfigResource.Type.GROUP, "j-848");
        equal(admin.describeConfigs(List.of(r)).all().get().get(r).get("consumer.heartbeat.interval.ms").value(), "5000");
        admin.incrementalAlterConfigs(Map.of(r, List.of(new AlterConfigOp(new ConfigEntry("consumer.heartbeat.interval.ms", "6000"), AlterConfigOp.OpType.SET)))).all().get();
        equal(admin.describeConfigs(List.of(r)).all().get().get(r).get("consumer.heartbeat.interval.ms").value(), "6000");
    }

    static void staticMember() throws Exception {
        for (int round = 0; round < 2; round++)
            try (KafkaConsumer<String, String> c = consumer("j-static", "group.instance.id", "one")) {
                c.subscribe(List.of("j-main"));
                equal(drain(c, round == 0 ? COUNT : 1, round == 0 ? 20 : 4).size(), round == 0 ? COUNT : 0);
                c.commitSync();
                equal(c.groupMetadata().groupInstanceId(), Optional.of("one"));
            }
    }

    static void offsets(Admin admin) throws Exception {
        List<TopicPartition> tps = IntStream.range(0, 4).mapToObj(p -> new TopicPartition("j-main", p)).collect(Collectors.toList());
        try (KafkaConsumer<String, String> c = consumer("j-offsets")) {
            Map<TopicPartition, Long> ends = c.endOffsets(tps);
            equal(ends.values().stream().mapToLong(x -> x).sum(), (long) COUNT);
            Map<TopicPartition, OffsetAndTimestamp> at = c.offsetsForTimes(tps.stream().collect(Collectors.toMap(t -> t, t -> BASE + 100)));
            for (TopicPartition tp : tps) if (at.get(tp) != null) {
                that(at.get(tp).timestamp() >= BASE + 100, at);
                c.assign(List.of(tp));
                c.seek(tp, at.get(tp).offset());
                equal(drain(c, 1, 10).get(0).timestamp(), at.get(tp).timestamp());
            }
            TopicPartition tp = tps.stream().filter(t -> ends.get(t) > 10).findFirst().get();
            c.assign(List.of(tp));
            c.commitSync(Map.of(tp, new OffsetAndMetadata(7, Optional.of(0), "a note")));
            equal(c.committed(Set.of(tp)).get(tp), new OffsetAndMetadata(7, Optional.of(0), "a note"));
            for (OffsetSpec spec : List.of(OffsetSpec.earliest(), OffsetSpec.latest(), OffsetSpec.maxTimestamp(), OffsetSpec.forTimestamp(1)))
                that(admin.listOffsets(Map.of(tp, spec)).partitionResult(tp).get().offset() >= 0, spec);
            equal(admin.listOffsets(Map.of(tp, OffsetSpec.latest()), new ListOffsetsOptions(IsolationLevel.READ_COMMITTED)).partitionResult(tp).get().offset(), ends.get(tp));
            equal(admin.deleteRecords(Map.of(tp, RecordsToDelete.beforeOffset(5))).lowWatermarks().get(tp).get().lowWatermark(), 5L);
            equal(c.beginningOffsets(List.of(tp)).get(tp), 5L);
        }
        try (KafkaConsumer<String, String> c = consumer("j-reset", "auto.offset.reset", "none")) {
            c.assign(List.of(tps.get(0)));
            try {
                drain(c, 1, 10);
                throw new AssertionError("read without an offset");
            } catch (NoOffsetForPartitionException expected) { }
        }
    }

    static void groupAdmin(Admin admin) throws Exception {
        that(admin.listGroups().all().get().stream().anyMatch(g -> g.groupId().equals("j-group")), "not listed");
        equal(admin.describeClassicGroups(List.of("j-group")).all().get().get("j-group").state(), ClassicGroupState.EMPTY);
        refused(GroupIdNotFoundException.class, admin.describeClassicGroups(List.of("j-nobody")).all());
        TopicPartition tp = new TopicPartition("j-main", 1);
        admin.alterConsumerGroupOffsets("j-group", Map.of(tp, new OffsetAndMetadata(6))).all().get();
        equal(admin.listConsumerGroupOffsets("j-group").partitionsToOffsetAndMetadata().get().get(tp).offset(), 6L);
        admin.deleteConsumerGroupOffsets("j-group", Set.of(tp)).all().get();
        that(admin.listConsumerGroupOffsets("j-group").partitionsToOffsetAndMetadata().get().get(tp) == null, "offset not deleted");
        equal(admin.listConsumerGroupOffsets("j-nobody").partitionsToOffsetAndMetadata().get(), Map.of());
        try (KafkaConsumer<String, String> c = consumer("j-live")) {
            c.subscribe(List.of("j-main"));
            drain(c, 10, 20);
            equal(admin.describeClassicGroups(List.of("j-live")).all().get().get("j-live").members().size(), 1);
            refused(GroupNotEmptyException.class, admin.deleteConsumerGroups(List.of("j-live")).all());
        }
        admin.deleteConsumerGroups(List.of("j-group")).all().get();
        refused(GroupIdNotFoundException.class, admin.deleteConsumerGroups(List.of("j-group")).all());
    }

    static void cluster(Admin admin) throws Exception {
        DescribeClusterResult d = admin.describeCluster();
        equal(d.nodes().get().size(), 1);
        that(d.clusterId().get().length() == 22, d.clusterId().get());
        that(d.controller().get() != null, "no controller");
        int node = d.nodes().get().iterator().next().id();
        Map<String, LogDirDescription> dirs = admin.describeLogDirs(List.of(node)).allDescriptions().get().get(node);
        that(dirs.values().stream().anyMatch(x -> x.replicaInfos().containsKey(new TopicPartition("j-main", 0))), dirs.keySet());
        that(admin.describeFeatures().featureMetadata().get().finalizedFeatures().containsKey("metadata.version"), "no metadata.version");
    }

    public static void main(String[] args) throws Exception {
        address = args[0];
        Map<String, Object> conf = Map.of("bootstrap.servers", address, "default.api.timeout.ms", 20000, "request.timeout.ms", 10000);
        try (Admin admin = Admin.create(conf)) {
            check("admin: topics and their error codes", () -> topics(admin));
            check("admin: configs", () -> configs(admin));
            check("producer: each compression, acks 0, 1, all", Job::produce);
            check("producer: refused records", () -> refusedRecords(admin));
            check("consumer: cooperative group of two, resume", Job::group);
            check("consumer: newer group of two (KIP-848), pattern, resume", () -> newerGroup(admin));
            check("consumer: classic group upgraded and downgraded while it reads", () -> migration(admin));
            check("admin: configs of a group", () -> groupConfigs(admin));
            check("consumer: static member", Job::staticMember);
            check("offsets: ends, by time, metadata, delete records, reset none", () -> offsets(admin));
            check("admin: groups", () -> groupAdmin(admin));
            check("admin: cluster, log dirs, features", () -> cluster(admin));
            check("admin: delete topics", () -> admin.deleteTopics(List.of("j-main", "j-acks", "j-compact")).all().get());
        }
        System.exit(failed ? 1 : 0);
    }
}
