// @confluentinc/kafka-javascript against the broker at argv[2]: its promise API, on librdkafka underneath.
const { KafkaJS: { Kafka, CompressionTypes } } = require('@confluentinc/kafka-javascript')
const assert = require('assert')

const brokers = process.argv[2]
const kafka = new Kafka({ kafkaJS: { brokers: [brokers], logLevel: 0 } })
const topic = 'cjs-main'
const count = 500
let failed = 0

async function check (name, f) {
  try {
    await f()
    console.log('ok ' + name)
  } catch (e) {
    failed++
    console.log(('FAIL ' + name + ': ' + e).replace(/\n/g, ' '))
  }
}

// Reads as a member of a group until want records came or the time is over.
async function read (config, want, ms) {
  const consumer = kafka.consumer(config)
  await consumer.connect()
  await consumer.subscribe({ topics: [topic] })
  const got = []
  await new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms)
    consumer.run({
      eachMessage: async ({ message }) => {
        got.push(message)
        if (got.length === want) { clearTimeout(timer); resolve() }
      }
    }).catch(reject)
  })
  await consumer.disconnect()
  return got
}

async function produce (config, messages) {
  const producer = kafka.producer(config)
  await producer.connect()
  await producer.send({ topic, messages })
  await producer.disconnect()
}

const batch = (name) => Array.from({ length: count }, (_, i) => ({ key: 'k' + i % 5, value: name + i, headers: { h: 'x' } }))

async function main () {
  const admin = kafka.admin()
  await admin.connect()
  await check('create and list topics', async () => {
    assert.strictEqual(await admin.createTopics({ topics: [{ topic, numPartitions: 3, replicationFactor: 1 }] }), true)
    assert.strictEqual(await admin.createTopics({ topics: [{ topic, numPartitions: 3, replicationFactor: 1 }] }), false)
    assert((await admin.listTopics()).includes(topic))
    const md = await admin.fetchTopicMetadata({ topics: [topic] })
    assert.strictEqual((md.topics || md)[0].partitions.length, 3)
  })
  await check('produce with codecs', async () => {
    for (const compression of [CompressionTypes.None, CompressionTypes.GZIP, CompressionTypes.LZ4, CompressionTypes.SNAPPY]) {
      await produce({ kafkaJS: { compression, acks: -1 } }, batch(compression))
    }
  })
  await check('produce idempotently', () => produce({ kafkaJS: { idempotent: true } }, batch('i')))
  const total = 5 * count
  await check('a classic group reads all', async () => {
    const got = await read({ kafkaJS: { groupId: 'cjs-classic', fromBeginning: true } }, total, 40000)
    assert.strictEqual(got.length, total)
    assert.strictEqual(got[0].headers.h.toString(), 'x')
  })
  await check('a consumer group (KIP-848) reads all', async () => {
    const got = await read({ kafkaJS: { groupId: 'cjs-consumer' }, 'group.protocol': 'consumer', 'auto.offset.reset': 'earliest' }, total, 40000)
    assert.strictEqual(got.length, total)
  })
  await check('a transaction committed and one aborted', async () => {
    const producer = kafka.producer({ kafkaJS: { transactionalId: 'cjs-txn' } })
    await producer.connect()
    for (const commit of [false, true]) {
      const txn = await producer.transaction()
      await txn.send({ topic, messages: [{ key: 't', value: commit ? 'kept' : 'dropped' }] })
      if (commit) await txn.commit()
      else await txn.abort()
    }
    await producer.disconnect()
    const got = await read({ kafkaJS: { groupId: 'cjs-txn', fromBeginning: true } }, total + 1, 40000)
    const values = got.map(m => m.value.toString())
    assert.strictEqual(got.length, total + 1)
    assert(values.includes('kept') && !values.includes('dropped'))
  })
  await check('offsets of groups and topics', async () => {
    const of = await admin.fetchOffsets({ groupId: 'cjs-classic', topics: [topic] })
    const sum = of[0].partitions.reduce((s, p) => s + Number(p.offset), 0)
    assert.strictEqual(sum, total)
    const ends = await admin.fetchTopicOffsets(topic)
    assert(ends.reduce((s, p) => s + Number(p.high), 0) >= total)
  })
  await check('groups are listed, described and deleted', async () => {
    const { groups } = await admin.listGroups()
    assert(groups.some(g => g.groupId === 'cjs-consumer'))
    const d = await admin.describeGroups(['cjs-classic'])
    assert.strictEqual(d.groups.length, 1)
    await admin.deleteGroups(['cjs-classic'])
  })
  await check('delete a topic', async () => {
    await admin.deleteTopics({ topics: [topic] })
  })
  await admin.disconnect()
  process.exitCode = (failed ? 1 : 0)
}

main().catch(e => { console.log('FAIL job: ' + e); process.exit(1) })
