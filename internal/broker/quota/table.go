package quota

// Entity is whom a limit is for: a user, a client id, or both. A nil name is the default entity, which is for all that
// have none of their own; Has tells which parts there are.
type Entity struct {
	HasUser, HasClient bool
	User, Client       *string
}

// Table holds the limits of one kind of quota and finds the one for a client. It does not change once it is in use.
type Table struct {
	userClient    map[[2]string]float64
	userAnyClient map[string]float64
	user          map[string]float64
	anyUserClient map[string]float64
	client        map[string]float64
	// The default entities; 0 is none, limits being positive.
	anyUserAnyClient, anyUser, anyClient float64
}

// NewTable returns an empty table.
func NewTable() *Table {
	return &Table{
		userClient: map[[2]string]float64{}, userAnyClient: map[string]float64{}, user: map[string]float64{},
		anyUserClient: map[string]float64{}, client: map[string]float64{},
	}
}

// Set gives an entity its limit.
func (t *Table) Set(e Entity, limit float64) {
	switch {
	case e.HasUser && e.HasClient:
		switch {
		case e.User != nil && e.Client != nil:
			t.userClient[[2]string{*e.User, *e.Client}] = limit
		case e.User != nil:
			t.userAnyClient[*e.User] = limit
		case e.Client != nil:
			t.anyUserClient[*e.Client] = limit
		default:
			t.anyUserAnyClient = limit
		}
	case e.HasUser && e.User != nil:
		t.user[*e.User] = limit
	case e.HasUser:
		t.anyUser = limit
	case e.HasClient && e.Client != nil:
		t.client[*e.Client] = limit
	case e.HasClient:
		t.anyClient = limit
	}
}

// Account is whose use counts together: a user's with one client id, a user's with all, or a client id's with all
// users.
type Account struct {
	ByUser, ByClient bool
	User, Client     string
}

// Find is the limit for a client and the account it counts against; 0 if there is none. The most particular wins
// (KIP-55): user and client id, user and any client id, user, any user with the client id, any user with any client id,
// any user, client id, any client id.
func (t *Table) Find(user, client string) (Account, float64) {
	both := Account{true, true, user, client}
	if l, ok := t.userClient[[2]string{user, client}]; ok {
		return both, l
	}
	if l, ok := t.userAnyClient[user]; ok {
		return both, l
	}
	if l, ok := t.user[user]; ok {
		return Account{ByUser: true, User: user}, l
	}
	if l, ok := t.anyUserClient[client]; ok {
		return both, l
	}
	if t.anyUserAnyClient > 0 {
		return both, t.anyUserAnyClient
	}
	if t.anyUser > 0 {
		return Account{ByUser: true, User: user}, t.anyUser
	}
	if l, ok := t.client[client]; ok {
		return Account{ByClient: true, Client: client}, l
	}
	if t.anyClient > 0 {
		return Account{ByClient: true, Client: client}, t.anyClient
	}
	return Account{}, 0
}
