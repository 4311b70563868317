"""aiokafka: an asyncio client that sends old versions of most APIs, against the broker at argv[1]."""
import asyncio
import sys

from checks import check, equal, finish
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

addr = sys.argv[1]
N = 1000


async def topics():
    a = AIOKafkaAdminClient(bootstrap_servers=addr)
    await a.start()
    await a.create_topics([NewTopic("aio-main", 3, 1)])
    assert "aio-main" in await a.list_topics()
    await a.close()


async def produce():
    p = AIOKafkaProducer(bootstrap_servers=addr, enable_idempotence=True, acks="all")
    await p.start()
    await asyncio.gather(*[(await p.send("aio-main", key=b"%d" % (i % 5), value=b"%d" % i)) for i in range(N)])
    await p.stop()


async def read(group, want, timeout):
    c = AIOKafkaConsumer("aio-main", bootstrap_servers=addr, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False)
    await c.start()
    got, loop = [], asyncio.get_running_loop()
    end = loop.time() + timeout
    while len(got) < want and loop.time() < end:
        for records in (await c.getmany(timeout_ms=500)).values():
            got += records
    await c.commit()
    ends = await c.end_offsets([TopicPartition("aio-main", p) for p in range(3)])
    await c.stop()
    return got, ends


async def group():
    got, ends = await read("aio-group", N, 30)
    equal(sorted(int(r.value) for r in got), list(range(N)))
    equal(sum(ends.values()), N)
    got, _ = await read("aio-group", 1, 4)
    equal(got, [])


check("topics", lambda: asyncio.run(topics()))
check("idempotent producer", lambda: asyncio.run(produce()))
check("group: consume, commit, resume", lambda: asyncio.run(group()))
finish()
