package group

import (
	"errors"
	"regexp/syntax"
	"slices"
	"time"
)

// regexMinInterval spaces resolutions out.
const regexMinInterval = 10 * time.Second

// regexProblem is what is wrong with an expression, without its text.
func regexProblem(err error) string {
	var se *syntax.Error
	if errors.As(err, &se) {
		return se.Code.String()
	}
	return err.Error()
}

// updateRegex deals with a member's regular expression: a new one is resolved
// after this step, so that the heartbeat does not wait for it; the topics join the
// group's with the next one. lastOf tells that nobody has its former expression
// any more.
func (s *Shard) updateRegex(a *admission, old string, lastOf bool, c *change) {
	g, now := a.group, a.updated.Regex
	fresh := false
	if old != now {
		c.regex = true
		if lastOf {
			s.put(ConsumerKey{keyRegularExpression, g.id, old}, nil)
		}
		if now == "" {
			c.resolved = true // the topics of the old one go
		} else if _, ok := g.resolved[now]; ok {
			c.resolved = true
		} else {
			fresh = g.expressions()[now] == 1
		}
	}
	s.maybeRefreshRegex(g, fresh, a.bySelf)
}

func (s *Shard) maybeRefreshRegex(g *consumer, fresh bool, mayDescribe func(string) bool) {
	all := g.expressions()
	if len(all) == 0 || g.refresh.Armed() {
		return
	}
	lastTime, lastVersion := g.lastResolution()
	nowMS := s.now.UnixMilli()
	if nowMS <= lastTime+regexMinInterval.Milliseconds() {
		return
	}
	if fresh || len(all) != len(g.resolved) || lastVersion < s.newTopicsAt ||
		nowMS > lastTime+s.settings.Consumer.RegexRefreshInterval.Milliseconds() {
		g.mayDescribe = mayDescribe
		s.after(g.refresh, 0)
	}
}

// lastResolution tells when the expressions were last resolved, and against which
// metadata.
func (g *consumer) lastResolution() (ms, version int64) {
	ms, version = -1<<62, 0
	for _, v := range g.resolved {
		ms, version = max(ms, v.Timestamp), max(version, v.Version)
	}
	return ms, version
}

// onRegexRefresh resolves all expressions of a group.
func (s *Shard) onRegexRefresh(g *consumer) {
	s.fx.Atomic = true
	changed := false
	for _, expression := range sortedKeys(g.expressions()) {
		topics := s.matching(expression, g.mayDescribe)
		changed = changed || !slices.Equal(topics, g.resolved[expression].Topics)
		s.putRegex(g, expression, RegexValue{Topics: topics, Version: s.cluster.Version(), Timestamp: s.now.UnixMilli()})
	}
	g.mayDescribe = nil
	hash := s.subscriptionHash(sortedKeys(g.countSubscriptions()))
	if changed || hash != g.hash {
		s.putGroup(g, g.epoch+1, hash)
	}
	s.settle(g)
}

// matching lists the topics whose whole name matches. An expression that was
// stored but cannot be read matches nothing.
func (s *Shard) matching(expression string, mayDescribe func(string) bool) []string {
	re, err := compileRegex(expression)
	if err != nil {
		return nil
	}
	var topics []string
	for name := range s.cluster.TopicNames() {
		if re.MatchString(name) && (mayDescribe == nil || mayDescribe(name)) {
			topics = append(topics, name)
		}
	}
	slices.Sort(topics)
	return topics
}
