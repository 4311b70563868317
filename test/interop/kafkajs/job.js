// kafkajs against the broker at argv[2]: administration, producers, a group that resumes.
const { Kafka, logLevel, CompressionTypes, ConfigResourceTypes } = require('kafkajs')
const assert = require('assert')

const kafka = new Kafka({ clientId: 'job', brokers: [process.argv[2]], logLevel: logLevel.NOTHING })
const admin = kafka.admin()
const topic = 'js-main'
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

// Reads with a group until want records came or the time is over.
async function read (groupId, want, ms) {
  const consumer = kafka.consumer({ groupId })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
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

async function main () {
  await admin.connect()
  await check('topics', async () => {
    assert.strictEqual(await admin.createTopics({ topics: [{ topic, numPartitions: 3, replicationFactor: 1 }] }), true)
    assert.strictEqual(await admin.createTopics({ topics: [{ topic, numPartitions: 3, replicationFactor: 1 }] }), false)
    const md = await admin.fetchTopicMetadata({ topics: [topic] })
    assert.strictEqual(md.topics[0].partitions.length, 3)
    await admin.createPartitions({ topicPartitions: [{ topic, count: 4 }] })
  })
  await check('configs', async () => {
    await admin.alterConfigs({ resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries: [{ name: 'retention.ms', value: '123456' }] }] })
    const d = await admin.describeConfigs({ resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }] })
    assert.strictEqual(d.resources[0].configEntries.find(e => e.configName === 'retention.ms').configValue, '123456')
  })
  await check('produce plain, gzip and idempotent', async () => {
    for (const [idempotent, compression] of [[false, CompressionTypes.None], [false, CompressionTypes.GZIP], [true, CompressionTypes.None]]) {
      const producer = kafka.producer({ idempotent })
      await producer.connect()
      const messages = Array.from({ length: count }, (_, i) => ({ key: 'k' + i % 5, value: 'v' + i, headers: { h: 'x' } }))
      await producer.send({ topic, compression, acks: -1, messages })
      await producer.disconnect()
    }
  })
  await check('group: consume and resume', async () => {
    const got = await read('js-group', 3 * count, 20000)
    assert.strictEqual(got.length, 3 * count)
    assert.strictEqual(got[0].headers.h.toString(), 'x')
    assert.strictEqual((await read('js-group', 1, 4000)).length, 0)
  })
  await check('offsets', async () => {
    const ends = await admin.fetchTopicOffsets(topic)
    assert.strictEqual(ends.reduce((n, p) => n + Number(p.high) - Number(p.low), 0), 3 * count)
    const at = await admin.fetchTopicOffsetsByTimestamp(topic, 1)
    assert.ok(at.every(p => Number(p.offset) >= -1))
    const committed = await admin.fetchOffsets({ groupId: 'js-group', topics: [topic] })
    assert.strictEqual(committed[0].partitions.reduce((n, p) => n + Math.max(0, Number(p.offset)), 0), 3 * count)
  })
  await check('groups and deletion', async () => {
    const { groups } = await admin.listGroups()
    assert.ok(groups.some(g => g.groupId === 'js-group'))
    const d = await admin.describeGroups(['js-group'])
    assert.strictEqual(d.groups[0].state, 'Empty')
    await admin.deleteGroups(['js-group'])
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '1' }] })
    await admin.deleteTopics({ topics: [topic] })
    assert.ok(!(await admin.listTopics()).includes(topic))
  })
  await admin.disconnect()
  process.exit(failed ? 1 : 0)
}

main().catch(e => { console.log('FAIL run: ' + e); process.exit(1) })
