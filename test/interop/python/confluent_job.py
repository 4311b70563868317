"""confluent-kafka (librdkafka): producers, groups, offsets and administration against the broker at argv[1]."""
import sys
import time

from checks import check, equal, finish
from confluent_kafka import (OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicCollection,
                             TopicPartition, ConsumerGroupTopicPartitions)
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic,
                                   OffsetSpec, ResourceType)

addr = sys.argv[1]
admin = AdminClient({"bootstrap.servers": addr})
N = 2000


def done(futures, timeout=20):
    return {k: f.result(timeout) for k, f in futures.items()}


def create(name, partitions=3, **config):
    done(admin.create_topics([NewTopic(name, num_partitions=partitions, replication_factor=1, config=config)]))


def produce(topic, count=N, **conf):
    errors, delivered = [], []
    p = Producer({"bootstrap.servers": addr, "linger.ms": 5, **conf})

    def cb(err, msg):
        (errors if err else delivered).append(err or (msg.partition(), msg.offset()))

    for i in range(count):
        p.produce(topic, key=f"k{i % 17}", value=f"v{i}", headers=[("n", str(i).encode())], on_delivery=cb)
        p.poll(0)
    equal(p.flush(30), 0, "left in the queue:")
    equal(errors, [], "delivery errors:")
    equal(len(delivered), count, "delivered:")
    equal(len(set(delivered)), count, "distinct offsets:")


def drain(c, count, timeout=30):
    got, end = [], time.monotonic() + timeout
    while len(got) < count and time.monotonic() < end:
        for m in c.consume(500, 1.0):
            if m.error():
                raise KafkaException(m.error())
            got.append(m)
    return got


def consumer(group, **conf):
    return Consumer({"bootstrap.servers": addr, "group.id": group, "auto.offset.reset": "earliest",
                     "enable.auto.commit": False, "session.timeout.ms": 10000, **conf})


def topics():
    create("ck-main", 3, **{"retention.ms": "3600000"})
    md = admin.list_topics(timeout=10)
    equal(len(md.topics["ck-main"].partitions), 3)
    equal(len(md.brokers), 1)
    try:
        create("ck-main")
        raise AssertionError("created twice")
    except KafkaException as e:
        equal(e.args[0].code(), KafkaError.TOPIC_ALREADY_EXISTS)
    for bad in ("no/slash", ".."):
        try:
            create(bad)
            raise AssertionError(f"created {bad}")
        except KafkaException as e:
            equal(e.args[0].code(), KafkaError.TOPIC_EXCEPTION)
    try:
        create("ck-bad", 1, **{"no.such.config": "1"})
        raise AssertionError("took an unknown config")
    except KafkaException as e:
        equal(e.args[0].code(), KafkaError.INVALID_CONFIG)
    done(admin.create_partitions([NewPartitions("ck-main", 4)]))
    d = done(admin.describe_topics(TopicCollection(["ck-main"])))["ck-main"]
    equal(len(d.partitions), 4)


def configs():
    r = ConfigResource(ResourceType.TOPIC, "ck-main")
    got = done(admin.describe_configs([r]))[r]
    equal(got["retention.ms"].value, "3600000")
    equal(got["cleanup.policy"].value, "delete")
    r = ConfigResource(ResourceType.TOPIC, "ck-main", incremental_configs=[
        ConfigEntry("retention.ms", "7200000", incremental_operation=AlterConfigOpType.SET)])
    done(admin.incremental_alter_configs([r]))
    r = ConfigResource(ResourceType.TOPIC, "ck-main")
    equal(done(admin.describe_configs([r]))[r]["retention.ms"].value, "7200000")
    broker = next(iter(admin.list_topics(timeout=10).brokers))
    b = ConfigResource(ResourceType.BROKER, str(broker))
    assert "log.retention.hours" in done(admin.describe_configs([b]))[b]


def codecs():
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        t = "ck-" + codec
        create(t)
        produce(t, **{"compression.type": codec, "enable.idempotence": True})
        c = consumer("g-" + t)
        c.subscribe([t])
        got = drain(c, N)
        equal(sorted(m.value() for m in got), sorted(f"v{i}".encode() for i in range(N)), codec)
        for m in got[:10]:
            equal(m.headers(), [("n", m.value()[1:])])
        c.close()


def groups():
    produce("ck-main", **{"enable.idempotence": True})
    a = consumer("ck-group", **{"partition.assignment.strategy": "cooperative-sticky", "client.id": "a"})
    a.subscribe(["ck-main"])
    first = drain(a, 200)
    a.commit(asynchronous=False)
    b = consumer("ck-group", **{"partition.assignment.strategy": "cooperative-sticky", "client.id": "b"})
    b.subscribe(["ck-main"])
    end = time.monotonic() + 30
    while time.monotonic() < end and not (a.assignment() and b.assignment() and len(a.assignment()) + len(b.assignment()) == 4):
        first += [m for m in (a.poll(0.1), b.poll(0.1)) if m and not m.error()]
    equal(len(a.assignment()), 2, "members share the partitions:")
    equal(len(b.assignment()), 2)
    g = done(admin.describe_consumer_groups(["ck-group"]))["ck-group"]
    equal(g.state.name, "STABLE")
    equal(len(g.members), 2)
    first += drain(a, N, 2) + drain(b, N, 2)
    a.commit(asynchronous=False)
    b.commit(asynchronous=False)
    equal(len({m.value() for m in first}), N, "distinct values read:")
    a.close()
    b.close()
    c = consumer("ck-group")
    c.subscribe(["ck-main"])
    equal(drain(c, 1, 4), [], "read again after the commit:")
    c.close()


def newer(group, **conf):
    """A consumer of the protocol of KIP-848: sessions and assignment are the broker's."""
    return Consumer({"bootstrap.servers": addr, "group.id": group, "auto.offset.reset": "earliest",
                     "enable.auto.commit": False, "group.protocol": "consumer", **conf})


def shared(consumers, each, seen, timeout=45):
    """Polls until every consumer has that many partitions."""
    end = time.monotonic() + timeout
    while time.monotonic() < end and [len(c.assignment()) for c in consumers] != each:
        for c in consumers:
            m = c.poll(0.1)
            if m and not m.error():
                seen.add((m.partition(), m.offset()))
    equal([len(c.assignment()) for c in consumers], each, "partitions of each member:")


def newer_groups():
    seen = set()
    a = newer("ck-848", **{"client.id": "a"})
    a.subscribe(["ck-main"])
    shared([a], [4], seen)
    b = newer("ck-848", **{"client.id": "b", "group.remote.assignor": "range"})
    b.subscribe(["ck-main"])
    shared([a, b], [2, 2], seen)
    g = done(admin.describe_consumer_groups(["ck-848"]))["ck-848"]
    equal((g.state.name, g.type.name, len(g.members)), ("STABLE", "CONSUMER", 2))
    for c in (a, b):
        seen |= {(m.partition(), m.offset()) for m in drain(c, N, 3)}
    equal(len(seen), N, "distinct records read:")
    a.commit(asynchronous=False)
    b.commit(asynchronous=False)
    a.close()
    shared([b], [4], seen)
    b.close()
    c = newer("ck-848", **{"group.instance.id": "one"})
    c.subscribe(["^ck-ma.*"])
    equal(drain(c, 1, 4), [], "read again after the commit:")
    c.close()


def migration():
    """A classic group is upgraded while it reads, and goes back when the last newer member leaves."""
    seen = set()
    a = consumer("ck-mixed", **{"partition.assignment.strategy": "cooperative-sticky"})
    a.subscribe(["ck-main"])
    shared([a], [4], seen)
    b = newer("ck-mixed")
    b.subscribe(["ck-main"])
    shared([a, b], [2, 2], seen)
    equal(done(admin.describe_consumer_groups(["ck-mixed"]))["ck-mixed"].type.name, "CONSUMER")
    b.close()
    shared([a], [4], seen)
    equal(done(admin.describe_consumer_groups(["ck-mixed"]))["ck-mixed"].type.name, "CLASSIC")
    a.close()


def static_members():
    c = consumer("ck-static", **{"group.instance.id": "one"})
    c.subscribe(["ck-main"])
    drain(c, N)
    c.commit(asynchronous=False)
    member = c.memberid()
    c.close()
    assert member
    c = consumer("ck-static", **{"group.instance.id": "one"})
    c.subscribe(["ck-main"])
    equal(drain(c, 1, 4), [])
    c.close()


def offsets():
    c = consumer("ck-offsets")
    lo, hi = zip(*(c.get_watermark_offsets(TopicPartition("ck-main", p), timeout=10) for p in range(4)))
    equal(sum(hi) - sum(lo), N)
    found = c.offsets_for_times([TopicPartition("ck-main", p, 1) for p in range(4)], timeout=10)
    equal([f.offset for f in found], [0 if h else -1 for h in hi])
    tps = [TopicPartition("ck-main", p) for p in range(4)]
    got = done(admin.list_offsets({tp: OffsetSpec.latest() for tp in tps}))
    equal([got[tp].offset for tp in tps], list(hi))
    got = done(admin.list_offsets({tp: OffsetSpec.max_timestamp() for tp in tps}))
    equal([0 <= got[tp].offset < hi[tp.partition] for tp in tps if hi[tp.partition]], [True for h in hi if h])
    c.assign([TopicPartition("ck-main", 0, OFFSET_BEGINNING)])
    equal(len(drain(c, hi[0], 10)), hi[0])
    c.close()


def group_admin():
    names = [g.group_id for g in admin.list_consumer_groups().result(10).valid]
    assert "ck-group" in names, names
    # The two members left by closing; the group must be empty before its offsets are changed.
    tps = [TopicPartition("ck-main", 0, 5)]
    done(admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions("ck-group", tps)]))
    got = done(admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions("ck-group", [TopicPartition("ck-main", 0)])]))
    equal(got["ck-group"].topic_partitions[0].offset, 5)
    got = done(admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions("ck-nobody", [TopicPartition("ck-main", 0)])]))
    equal(got["ck-nobody"].topic_partitions[0].offset, -1001)
    done(admin.delete_consumer_groups(["ck-group"]))
    names = [g.group_id for g in admin.list_consumer_groups().result(10).valid]
    assert "ck-group" not in names, names


def delete_records():
    tp = TopicPartition("ck-none", 0, 10)
    out = done(admin.delete_records([tp]))
    equal([d.low_watermark for d in out.values()], [10])
    c = consumer("ck-low")
    equal(c.get_watermark_offsets(TopicPartition("ck-none", 0), timeout=10)[0], 10)
    c.close()


def errors():
    p = Producer({"bootstrap.servers": addr, "message.max.bytes": 5000000})
    seen = []
    p.produce("ck-main", value=b"x" * 3000000, on_delivery=lambda e, m: seen.append(e and e.code()))
    p.flush(20)
    equal(seen, [KafkaError.MSG_SIZE_TOO_LARGE])
    create("ck-compact", 1, **{"cleanup.policy": "compact"})
    seen.clear()
    p.produce("ck-compact", value=b"no key", on_delivery=lambda e, m: seen.append(e and e.code()))
    p.flush(20)
    equal(seen, [KafkaError.INVALID_RECORD])


def cluster():
    d = admin.describe_cluster().result(10)
    equal(len(d.nodes), 1)
    assert d.cluster_id


def delete_topics():
    done(admin.delete_topics(["ck-gzip", "ck-lz4"]))
    left = admin.list_topics(timeout=10).topics
    assert "ck-gzip" not in left and "ck-lz4" not in left


check("topics: create, list, partitions, error codes", topics)
check("configs: describe, alter", configs)
check("each compression, idempotent, with headers", codecs)
check("group of two, cooperative, commit and resume", groups)
check("newer group of two (KIP-848), resume", newer_groups)
check("classic group upgraded and downgraded while it reads", migration)
check("static membership", static_members)
check("offsets: watermarks, by time, from the start", offsets)
check("group administration", group_admin)
check("delete records", delete_records)
check("refused records", errors)
check("describe cluster", cluster)
check("delete topics", delete_topics)
finish()
