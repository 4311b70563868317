// Package streamstest tests topologies in one process, without a broker and without waiting.
//
// A [Driver] runs a topology as Kafka's TopologyTestDriver does: each record that is sent goes all the way through it,
// repartition topics included, before Send returns; each is committed at once, so that caches are written through; stream-time
// punctuators fire after each record; the wall clock stands still until AdvanceWallClock moves it, and nothing is throttled.
// The same input always gives the same output in the same order, which is TopologyTestDriver's also where records of equal times
// wait in several topics. Unlike TopologyTestDriver, which has one task for the whole
// topology, there is one task for each sub-topology, as in an app: stream time is that of the task.
//
//	d := streamstest.New(t, WordCount)
//	d.In(Lines).Send("", "to be or not to be", 0)
//	d.Out(Counts).Want(t, `
//		to  | 1 @0
//		be  | 1 @0
//		or  | 1 @0
//		not | 1 @0
//		to  | 2 @0
//		be  | 2 @0`)
//
// # Records as text
//
// Want, Text, StoreText and WantStore know records as lines of text:
//
//	key | value
//	key | value @time
//	key | value @time {header=value, header=value}
//
// Time is in milliseconds since the epoch. Blank lines and lines that begin with # are left out; blanks around fields mean
// nothing. A field is written by its type:
//
//   - null (a tombstone, or no key) is null
//   - strings stand as they are, and in Go's quotes where they would be taken for something else: "", "null", "a | b"
//   - bytes stand as text if they are some, else as 0x01ff
//   - numbers and booleans as in Go; UUIDs as text
//   - structs, maps and slices are JSON, as encoding/json writes it, without blanks
//   - windowed keys are key@start/end, both in milliseconds
//
// In what is wanted, that which is not written is not compared: the time, the headers ({} wants none), the end of a window. JSON
// may have blanks and its fields in any order.
//
// As input, for Text and Lines, a line without a time has the one of the line before.
//
// # Partitions
//
// By default every topic has one partition. With [Partitions] topics have several, records go where Kafka's producers would
// send them, and each partition has a task and state of its own, so that what is not co-partitioned does not meet. Tasks take
// turns in an order that depends on [Seed] only.
//
// # Restarts
//
// [Driver.Restart], [Driver.Crash] and [Driver.LoseState] end the tasks and start them again on their state, or on what
// changelogs restore. The option [RestartEach] does so after every record: whatever the topology, its output and its state
// must be those of a run without it. State is in memory, or with [OnDisk] on disk. With [ManualCommit] a crash takes back what was not committed.
//
// # Errors
//
// An error that stops a task fails the test, unless the record was sent inside of [Driver.Try], which returns it.
//
// A driver and all it gives belong to one goroutine. It starts none and closes when the test ends.
package streamstest
