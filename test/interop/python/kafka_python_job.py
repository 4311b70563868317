"""kafka-python: the pure Python client with its own, older, choice of API versions, against the broker at argv[1]."""
import sys
import time

from checks import check, equal, finish
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic
from kafka.errors import TopicAlreadyExistsError
from kafka.structs import OffsetAndMetadata

addr = sys.argv[1]
admin = KafkaAdminClient(bootstrap_servers=addr)
N = 1000


def drain(c, count, timeout=30):
    got, end = [], time.monotonic() + timeout
    while len(got) < count and time.monotonic() < end:
        for records in c.poll(500).values():
            got += records
    return got


def consumer(*topics, **kw):
    return KafkaConsumer(*topics, bootstrap_servers=addr, auto_offset_reset="earliest", enable_auto_commit=False, **kw)


def topics():
    admin.create_topics([NewTopic("kp-main", 3, 1, topic_configs={"retention.ms": "1000000"})])
    try:
        admin.create_topics([NewTopic("kp-main", 3, 1)])
        raise AssertionError("created twice")
    except TopicAlreadyExistsError:
        pass
    assert "kp-main" in admin.list_topics()
    out = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, "kp-main")])
    assert "1000000" in str(out), out


def produce():
    for codec in (None, "gzip"):
        p = KafkaProducer(bootstrap_servers=addr, acks="all", compression_type=codec, enable_idempotence=codec is None)
        for f in [p.send("kp-main", key=b"%d" % (i % 5), value=b"%d" % i, headers=[("h", b"1")]) for i in range(N)]:
            f.get(20)
        p.close()


def group():
    c = consumer("kp-main", group_id="kp-group")
    got = drain(c, 2 * N)
    equal(len(got), 2 * N)
    equal(got[0].headers, [("h", b"1")])
    c.commit()
    equal(sum(c.committed(TopicPartition("kp-main", p)) or 0 for p in range(3)), 2 * N)
    c.close()
    c = consumer("kp-main", group_id="kp-group")
    equal(drain(c, 1, 4), [])
    c.close()


def offsets():
    c = consumer(group_id="kp-other")
    tps = [TopicPartition("kp-main", p) for p in range(3)]
    end, begin = c.end_offsets(tps), c.beginning_offsets(tps)
    equal(sum(end.values()) - sum(begin.values()), 2 * N)
    found = c.offsets_for_times({tp: 1 for tp in tps})
    equal([f.offset for tp, f in found.items() if f], [0 for tp in tps if end[tp]])
    c.assign(tps)
    c.seek(tps[0], 0)
    c.commit({tps[0]: OffsetAndMetadata(3, "note", -1)})
    equal(c.committed(tps[0]), 3)
    c.close()


def groups_admin():
    assert "kp-group" in str(admin.list_consumer_groups())
    assert "kp-group" in str(admin.describe_consumer_groups(["kp-group"]))
    admin.delete_consumer_groups(["kp-group"])
    assert "kp-group" not in str(admin.list_consumer_groups())


check("topics", topics)
check("produce, plain idempotent and gzip", produce)
check("group: consume, commit, resume", group)
check("offsets: ends, by time, commit with metadata", offsets)
check("group administration", groups_admin)
check("delete topic", lambda: admin.delete_topics(["kp-main"]))
finish()
