package record

// AccessControlEntry adds one ACL.
type AccessControlEntry struct {
	ID             UUID
	ResourceType   int8
	ResourceName   string
	PatternType    int8
	Principal      string
	Host           string
	Operation      int8
	PermissionType int8
}

func (*AccessControlEntry) Type() int16       { return 18 }
func (*AccessControlEntry) Version() int16    { return 0 }
func (*AccessControlEntry) maxVersion() int16 { return 0 }
func (r *AccessControlEntry) fields(c *codec) {
	c.uuid(&r.ID)
	c.i8(&r.ResourceType)
	c.str(&r.ResourceName)
	c.i8(&r.PatternType)
	c.str(&r.Principal)
	c.str(&r.Host)
	c.i8(&r.Operation)
	c.i8(&r.PermissionType)
	c.tags()
}

// RemoveAccessControlEntry removes one ACL.
type RemoveAccessControlEntry struct{ ID UUID }

func (*RemoveAccessControlEntry) Type() int16       { return 19 }
func (*RemoveAccessControlEntry) Version() int16    { return 0 }
func (*RemoveAccessControlEntry) maxVersion() int16 { return 0 }
func (r *RemoveAccessControlEntry) fields(c *codec) {
	c.uuid(&r.ID)
	c.tags()
}

// UserScramCredential sets a user's credential of one mechanism.
type UserScramCredential struct {
	Name       string
	Mechanism  int8
	Salt       []byte
	StoredKey  []byte
	ServerKey  []byte
	Iterations int32
}

func (*UserScramCredential) Type() int16       { return 11 }
func (*UserScramCredential) Version() int16    { return 0 }
func (*UserScramCredential) maxVersion() int16 { return 0 }
func (r *UserScramCredential) fields(c *codec) {
	c.str(&r.Name)
	c.i8(&r.Mechanism)
	c.bytes(&r.Salt)
	c.bytes(&r.StoredKey)
	c.bytes(&r.ServerKey)
	c.i32(&r.Iterations)
	c.tags()
}

// RemoveUserScramCredential removes a user's credential of one mechanism.
type RemoveUserScramCredential struct {
	Name      string
	Mechanism int8
}

func (*RemoveUserScramCredential) Type() int16       { return 22 }
func (*RemoveUserScramCredential) Version() int16    { return 0 }
func (*RemoveUserScramCredential) maxVersion() int16 { return 0 }
func (r *RemoveUserScramCredential) fields(c *codec) {
	c.str(&r.Name)
	c.i8(&r.Mechanism)
	c.tags()
}

// DelegationToken adds or renews a token.
type DelegationToken struct {
	Owner               string
	Requester           string
	Renewers            []string
	IssueTimestamp      int64
	MaxTimestamp        int64
	ExpirationTimestamp int64
	TokenID             string
}

func (*DelegationToken) Type() int16       { return 10 }
func (*DelegationToken) Version() int16    { return 0 }
func (*DelegationToken) maxVersion() int16 { return 0 }
func (r *DelegationToken) fields(c *codec) {
	c.str(&r.Owner)
	c.str(&r.Requester)
	c.strs(&r.Renewers)
	c.i64(&r.IssueTimestamp)
	c.i64(&r.MaxTimestamp)
	c.i64(&r.ExpirationTimestamp)
	c.str(&r.TokenID)
	c.tags()
}

// RemoveDelegationToken removes a token.
type RemoveDelegationToken struct{ TokenID string }

func (*RemoveDelegationToken) Type() int16       { return 26 }
func (*RemoveDelegationToken) Version() int16    { return 0 }
func (*RemoveDelegationToken) maxVersion() int16 { return 0 }
func (r *RemoveDelegationToken) fields(c *codec) {
	c.str(&r.TokenID)
	c.tags()
}
