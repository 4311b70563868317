package engine

import (
	"context"
	"errors"
	"strconv"
	"time"
)

// departedMax bounds the time in which the transactions of a process are ended that is gone. Later they time out.
const departedMax = 10 * time.Second

// departed ends the transactions of processes that were in the group when it assigned last and are no more. Under exactly-once what
// a process left open when it died holds up who takes its tasks, and who reads its results, until it times out: 10 s, and
// up to 10 s more until the cluster looks. A process that lives on elsewhere, cut off from the group, finds its producers
// fenced, and begins anew when it is back, as after that time. After an outage of the cluster nobody is taken for dead: those
// who have not come back yet ask what became of their own transactions, which nobody else may end meanwhile. now are the
// transactional ids of processes, by their number.
func (p *process) departed(now map[string]int) {
	if !p.app.prog.Settings.ExactlyOnce {
		return
	}
	p.app.mu.Lock()
	before := p.app.hosts.Producers
	p.app.mu.Unlock()
	for process, n := range before {
		if _, here := now[process]; here {
			continue
		}
		p.stopping.Go(func() {
			if pause(p.ctx, departedWait) && !p.back(process) && !p.app.outages.within(outageWait) {
				for i := range min(n, producersMax) {
					p.endTransaction(transactionalID(p.app.prog.ApplicationID, process, i))
				}
			}
		})
	}
}

// outageWait is how long after an outage transactions of others are left to their timeout, which is about as long.
const outageWait = 30 * time.Second

// departedWait is how long a process may be away. After an outage of the cluster all join the group anew, and it is assigned
// before the last one is there.
const departedWait = time.Second

// back tells whether a process is in the group as it was assigned last.
func (p *process) back(process string) bool {
	p.app.mu.Lock()
	defer p.app.mu.Unlock()
	_, here := p.app.hosts.Producers[process]
	return here
}

// producersMax bounds how many transactional ids of one process are ended.
const producersMax = 64

func transactionalID(application, process string, n int) string {
	return application + "-" + process + "-" + strconv.Itoa(n)
}

// endTransaction aborts what is open under a transactional id, as its next owner does.
func (p *process) endTransaction(id string) {
	ctx, cancel := context.WithTimeout(p.ctx, departedMax)
	defer cancel()
	t := &transaction{parts: map[string][]int32{}}
	state, _, err := describe(ctx, p.app.cluster.client, id)
	if err == nil && state.State == "Ongoing" {
		for _, topic := range state.Topics {
			if topic.Topic == "__consumer_offsets" {
				t.offsets = true
				continue
			}
			t.parts[topic.Topic] = topic.Partitions
		}
	}
	err = p.app.resolve(ctx, id, t)
	if err != nil && !errors.Is(err, context.Canceled) {
		p.app.log.Warn("a process left the group, and its transaction is left to its timeout", "transactional_id", id, "error", err)
		return
	}
	p.app.log.Info("the transaction of a process that left the group is ended", "transactional_id", id)
}
