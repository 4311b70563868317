package plan

import "container/heap"

// write writes every node once all its parents are written, the one that was added first before others.
func (p *Plan) write() {
	p.root.written = true
	q := &queue{}
	for _, c := range p.root.children {
		heap.Push(q, c)
	}
	for q.Len() > 0 {
		n := heap.Pop(q).(*Node)
		if n.written || !allWritten(n.parents) {
			continue
		}
		n.written = true
		if n.Write != nil {
			if err := n.Write(p.b, p.parentNames(n)); err != nil {
				p.b.Fail(err)
			}
		}
		for _, c := range n.children {
			heap.Push(q, c)
		}
	}
}

func (p *Plan) parentNames(n *Node) []string {
	var names []string
	for _, parent := range n.parents {
		if parent != p.root {
			names = append(names, parent.Name)
		}
	}
	return names
}

func allWritten(nodes []*Node) bool {
	for _, n := range nodes {
		if !n.written {
			return false
		}
	}
	return true
}

type queue []*Node

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].priority < q[j].priority }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)        { *q = append(*q, x.(*Node)) }
func (q *queue) Pop() any {
	old := *q
	n := old[len(old)-1]
	*q = old[:len(old)-1]
	return n
}
