package protobuf

// addOption reads an option statement into its owner.
func (p *parser) addOption(owner any) {
	o := p.option('=')
	p.require(';')
	switch to := owner.(type) {
	case *file:
		to.options = append(to.options, o)
	case *message:
		to.options = append(to.options, o)
	case *enum:
		to.options = append(to.options, o)
	case *service:
		to.options = append(to.options, o)
	case *method:
		to.options = append(to.options, o)
	}
}

// options reads [a = b, c = d], or nothing.
func (p *parser) options() []option {
	if !p.take('[') {
		return nil
	}
	var list []option
	for {
		list = append(list, p.option('='))
		if p.take(']') {
			return list
		}
		if !p.take(',') {
			p.fail("Expected ',' or ']") // the missing quote is upstream's
		}
	}
}

// option reads a name, the separator and a value. In text format, where the separator is ':', it may be left
// out before a brace.
func (p *parser) option(separator byte) option {
	p.count()
	first := p.peek()
	o := option{parenthesized: first == '(', name: p.name()}
	if first == '[' {
		o.name = "[" + o.name + "]"
	}
	var subName string
	c := p.next()
	for dot := ""; c == '.'; dot = "." {
		subName += dot + p.subName()
		c = p.next()
	}
	switch {
	case separator == ':' && c == '{':
		p.at--
	case c != separator:
		p.fail("expected '%c' in option", separator)
	}
	o.value = p.optionValue()
	if subName != "" {
		o.value = value{kind: kindOption, sub: &option{name: subName, value: o.value}}
	}
	return o
}

// subName reads the next part of a name like (a).b.(c.d), with its parentheses.
func (p *parser) subName() string {
	if p.peek() == '(' {
		return "(" + p.name() + ")"
	}
	return p.word()
}

func (p *parser) optionValue() value {
	switch c := p.peek(); {
	case c == '{':
		return p.optionMap()
	case c == '[':
		return p.optionList()
	case c == '"' || c == '\'':
		return value{kind: kindString, text: p.quoted()}
	case c == '-' || c >= '0' && c <= '9':
		return value{kind: kindNumber, text: p.word()}
	}
	v := value{kind: kindEnum, text: p.word()}
	if v.text == "true" || v.text == "false" {
		v.kind = kindBoolean
	}
	return v
}

// optionMap reads a message in text format. A name that comes again makes a list of its values.
func (p *parser) optionMap() value {
	defer p.enter()()
	p.require('{')
	out := value{kind: kindMap}
	for !p.take('}') {
		o := p.option(':')
		out.put(o)
		if !p.take(',') {
			p.take(';')
		}
	}
	return out
}

// indexMin is how many pairs make an index worth its memory.
const indexMin = 16

func (v *value) find(key string) int {
	if v.index != nil {
		if i, ok := v.index[key]; ok {
			return i
		}
		return -1
	}
	for i := range v.pairs {
		if v.pairs[i].key == key {
			return i
		}
	}
	return -1
}

func (v *value) add(key string, inner value) {
	v.pairs = append(v.pairs, pair{key, inner})
	switch n := len(v.pairs); {
	case n == indexMin:
		v.index = make(map[string]int, 2*n)
		for i := range v.pairs {
			v.index[v.pairs[i].key] = i
		}
	case n > indexMin:
		v.index[key] = n - 1
	}
}

// put adds an option of a message in text format.
func (v *value) put(o option) {
	at := v.find(o.name)
	if o.value.kind == kindOption { // a.b: x is a { b: x }
		nested := value{kind: kindMap}
		if at >= 0 && v.pairs[at].value.kind == kindMap {
			nested = v.pairs[at].value
		}
		nested.put(*o.value.sub)
		if at >= 0 {
			v.pairs[at].value = nested
		} else {
			v.add(o.name, nested)
		}
		return
	}
	if at < 0 {
		v.add(o.name, o.value)
		return
	}
	list := v.pairs[at].value
	if list.kind != kindList {
		list = value{kind: kindList, items: []value{list}}
	}
	if o.value.kind == kindList {
		list.items = append(list.items, o.value.items...)
	} else {
		list.items = append(list.items, o.value)
	}
	v.pairs[at].value = list
}

func (p *parser) optionList() value {
	defer p.enter()()
	p.require('[')
	out := value{kind: kindList}
	for !p.take(']') {
		p.count()
		out.items = append(out.items, p.optionValue())
		if p.take(',') {
			continue
		}
		if p.peek() != ']' {
			p.fail("expected ',' or ']'")
		}
	}
	return out
}
