package streams

// The caches of a task have two tiers.
//
// The record cache is Kafka's (KIP-63), and it is semantics: an entry of a cached store that was put stays there, neither
// logged nor forwarded, until the task flushes or the tier is over its bound. Sizes are counted as Kafka counts them (see
// cells.grow), values by their serialized size.
//
// What falls out of it, and what stores without a record cache read and write, is kept as long as there is room in the
// second tier, of objects. It changes nothing that can be seen but time.
type cacheBudget struct {
	records, objects tierBudget
	caches           []objectCache // those that share the budget
}

type tierBudget struct{ used, max int64 }

// objectCache is a store's part of the tier of objects.
type objectCache interface {
	objectBytes() int64
	dropObject() // the one not used for the longest time
}

// objectBytesMin is how much a task's tier of objects may hold even if the application's cache is smaller, or off.
const objectBytesMin = 8 << 20

// objectOverhead is about what an object costs beside its key and its serialized value.
const objectOverhead = 160

// SetCacheBytes bounds the caches of a task: the application's bytes divided by its tasks. A lower bound takes effect with
// the next put.
func (t *task) SetCacheBytes(n int64) {
	b := t.caches()
	b.records.max = max(n, 0)
	b.objects.max = max(n, objectBytesMin)
	b.shed()
}

// caches is the budget that the stores of a task share.
func (t *task) caches() *cacheBudget {
	if t.cache == nil {
		t.cache = &cacheBudget{}
		t.SetCacheBytes(t.prog.settings.CacheBytes)
	}
	return t.cache
}

// shed drops objects of the store that has most, until they fit.
func (b *cacheBudget) shed() {
	for b.objects.used > b.objects.max {
		var most objectCache
		for _, c := range b.caches {
			if most == nil || c.objectBytes() > most.objectBytes() {
				most = c
			}
		}
		if most == nil || most.objectBytes() == 0 {
			return
		}
		most.dropObject()
	}
}
