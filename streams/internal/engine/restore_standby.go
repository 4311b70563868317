package engine

import (
	"github.com/twmb/franz-go/pkg/kgo"
)

// hold keeps records that may not be applied yet.
func (log *restoreLog) hold(records []*kgo.Record) {
	for _, rec := range records {
		log.heldEnd = rec.Offset + 1
		if !rec.Attrs.IsControl() {
			log.held = append(log.held, inOf(rec))
		}
	}
}

// tick commits standbys whose time it is, and asks how far source topics are processed that are changelogs.
func (l *lane) tick() {
	now := l.r.p.app.clk.Now()
	if now.Sub(l.ticked) < laneTick {
		return
	}
	l.ticked = now
	var limited []TopicPartition
	for g := range l.tasks {
		if g.task.task == nil {
			continue
		}
		if g.applied > 0 && now.Sub(g.kept) >= standbyCommitEvery {
			if err := l.keep(g); err != nil {
				l.fail(g, err)
				continue
			}
		}
		for tp, log := range g.logs {
			if log.source && g.followed {
				limited = append(limited, tp)
			}
		}
	}
	if len(limited) == 0 || l.asking {
		return
	}
	l.asking = true
	l.r.ends.Go(func() {
		limits, err := l.r.committed(limited)
		l.do(func() {
			l.asking = false
			if err != nil {
				l.r.p.app.log.Warn("asking how far inputs are committed failed: standbys wait", "error", err)
				return
			}
			for tp, limit := range limits {
				if g := l.byLog[tp]; g != nil {
					if err := l.raise(g, g.logs[tp], limit); err != nil {
						l.fail(g, err)
					}
				}
			}
		})
	})
}

// raise lets a standby go on up to what is committed now.
func (l *lane) raise(g *restoring, log *restoreLog, limit int64) error {
	if limit <= log.limit {
		return nil
	}
	log.limit = limit
	log.end.Store(max(log.next.Load(), limit))
	n := 0
	for n < len(log.held) && log.held[n].Offset < limit {
		g.applied += log.held[n].size()
		n++
	}
	if n == 0 {
		return nil
	}
	batch, next := log.held[:n], log.held[n-1].Offset+1
	log.held = log.held[n:]
	if len(log.held) == 0 {
		log.held = nil
		next = min(log.heldEnd, limit)
		l.client.ResumeFetchPartitions(map[string][]int32{log.tp.Topic: {log.tp.Partition}})
	}
	return l.restore(g, log, batch, next)
}
