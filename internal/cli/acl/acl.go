// Package acl holds the commands under "leat acl": who may do what. They speak Kafka's ACL requests and so work with
// every cluster that has an authorizer.
package acl

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/screen"
)

// New makes the command tree.
func New(env *command.Env) *cobra.Command {
	return command.Parent("acl", "Say who may do what",
		"Access control lists. They count on a broker with\n"+
			"authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer; see docs/guide/security.md.",
		newChange(env, "allow", "Allow a user operations", kmsg.ACLPermissionTypeAllow),
		newChange(env, "deny", "Deny a user operations, whatever else allows them", kmsg.ACLPermissionTypeDeny),
		newList(env), newDelete(env))
}

// entry is one access control entry as it is shown.
type entry struct {
	Principal  string `json:"principal"`
	Permission string `json:"permission"`
	Operation  string `json:"operation"`
	Type       string `json:"resource_type"`
	Name       string `json:"resource"`
	Pattern    string `json:"pattern"`
	Host       string `json:"host"`
}

// resource is what the flags of a command name.
type resource struct {
	topic, group, txn, token, user string
	cluster, prefix                bool
	host                           string
}

func (r *resource) flags(env *command.Env, cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&r.topic, "topic", "", "a topic, or * for all")
	f.StringVar(&r.group, "group", "", "a group, or * for all")
	f.StringVar(&r.txn, "transactional-id", "", "a transactional id, or * for all")
	f.StringVar(&r.token, "delegation-token", "", "a delegation token's id")
	f.StringVar(&r.user, "user-resource", "", "a user whose tokens others may make or see, User:NAME")
	f.BoolVar(&r.cluster, "cluster", false, "the cluster as a whole")
	f.BoolVar(&r.prefix, "prefix", false, "the name is the beginning of names")
	f.StringVar(&r.host, "host", "", "only from this address (default any)")
	command.CompleteFlagWith(cmd, "topic", env.CompleteTopics(-1))
	command.CompleteFlagWith(cmd, "group", env.CompleteGroups(-1))
	for _, name := range []string{"transactional-id", "delegation-token", "user-resource", "host"} {
		command.CompleteFlagWith(cmd, name, command.NoCompletion)
	}
}

// parse returns the type and the name; the type is ANY if nothing was named.
func (r *resource) parse() (kmsg.ACLResourceType, string, error) {
	type choice struct {
		typ  kmsg.ACLResourceType
		name string
	}
	var chosen []choice
	for _, c := range []choice{
		{kmsg.ACLResourceTypeTopic, r.topic}, {kmsg.ACLResourceTypeGroup, r.group}, {kmsg.ACLResourceTypeTransactionalId, r.txn},
		{kmsg.ACLResourceTypeDelegationToken, r.token}, {kmsg.ACLResourceTypeUser, r.user},
	} {
		if c.name != "" {
			chosen = append(chosen, c)
		}
	}
	if r.cluster {
		chosen = append(chosen, choice{kmsg.ACLResourceTypeCluster, "kafka-cluster"})
	}
	switch len(chosen) {
	case 0:
		return kmsg.ACLResourceTypeAny, "", nil
	case 1:
		return chosen[0].typ, chosen[0].name, nil
	}
	return 0, "", fault.Usage("several resources are named").WithHint("use the command once for each of them")
}

func (r *resource) pattern() kmsg.ACLResourcePatternType {
	if r.prefix {
		return kmsg.ACLResourcePatternTypePrefixed
	}
	return kmsg.ACLResourcePatternTypeLiteral
}

// principal completes a user's name: "alice" is "User:alice".
func principal(name string) string {
	if strings.Contains(name, ":") {
		return name
	}
	return "User:" + name
}

// operationNames are the operations as they are written here.
var operationNames = []string{
	"all", "read", "write", "create", "delete", "alter", "describe", "cluster_action", "describe_configs", "alter_configs",
	"idempotent_write", "create_tokens", "describe_tokens",
}

func operations(list string) ([]kmsg.ACLOperation, error) {
	var out []kmsg.ACLOperation
	for name := range strings.SplitSeq(list, ",") {
		op, err := kmsg.ParseACLOperation(strings.TrimSpace(name))
		if err != nil || op == kmsg.ACLOperationUnknown || op == kmsg.ACLOperationAny {
			return nil, fault.Usage("%q is no operation", name).
				WithHint("%s", fault.DidYouMean(name, operationNames, "the operations are "+strings.Join(operationNames, ", ")))
		}
		out = append(out, op)
	}
	return out, nil
}

func newChange(env *command.Env, use, short string, permission kmsg.ACLPermissionType) *cobra.Command {
	var r resource
	cmd := &cobra.Command{
		Use:   use + " PRINCIPAL OPERATION,...",
		Short: short,
		Example: fmt.Sprintf("  leat acl %s alice read,describe --topic orders\n  leat acl %s alice read --group etl- --prefix\n  leat acl %s '*' describe --topic public- --prefix --host 10.0.0.5",
			use, use, use),
		Args: command.Args(2, 2, "a principal and operations"),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return operationNames, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return change(cmd.Context(), env, &r, principal(args[0]), args[1], permission)
		},
	}
	r.flags(env, cmd)
	return cmd
}

func change(ctx context.Context, env *command.Env, r *resource, who, list string, permission kmsg.ACLPermissionType) error {
	typ, name, err := r.parse()
	if err != nil {
		return err
	}
	if typ == kmsg.ACLResourceTypeAny {
		return fault.Usage("no resource is named").WithHint("name one with --topic, --group, --transactional-id or --cluster")
	}
	ops, err := operations(list)
	if err != nil {
		return err
	}
	req := kmsg.NewPtrCreateACLsRequest()
	var made []entry
	for _, op := range ops {
		c := kmsg.NewCreateACLsRequestCreation()
		c.ResourceType, c.ResourceName, c.ResourcePatternType = typ, name, r.pattern()
		c.Principal, c.Host, c.Operation, c.PermissionType = who, "*", op, permission
		if r.host != "" {
			c.Host = r.host
		}
		req.Creations = append(req.Creations, c)
		made = append(made, entry{who, permission.String(), op.String(), typ.String(), name, r.pattern().String(), c.Host})
	}
	client, ctx, err := env.Reach(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	resp, err := req.RequestWith(ctx, client.Client)
	if err != nil {
		return client.Explain("create the ACLs", err)
	}
	for _, r := range resp.Results {
		if err := client.Refused("create the ACLs", r.ErrorCode, r.ErrorMessage); err != nil {
			return err
		}
	}
	return env.Emit(made, func() error { return table(env, made) })
}

func table(env *command.Env, list []entry) error {
	t := screen.NewTable("PRINCIPAL", "PERMISSION", "OPERATION", "RESOURCE", "NAME", "PATTERN", "HOST")
	for _, e := range list {
		t.Row(e.Principal, e.Permission, e.Operation, e.Type, e.Name, e.Pattern, e.Host)
	}
	return t.Write(env.Screen)
}

func newList(env *command.Env) *cobra.Command {
	var r resource
	var who string
	cmd := &cobra.Command{
		Use: "list", Short: "List access control entries",
		Example:           "  leat acl list\n  leat acl list --principal alice\n  leat acl list --topic orders   # with patterns that cover it",
		Args:              command.Args(0, 0, "no argument"),
		ValidArgsFunction: command.NoCompletion,
		RunE:              func(cmd *cobra.Command, _ []string) error { return list(cmd.Context(), env, &r, who) },
	}
	r.flags(env, cmd)
	cmd.Flags().StringVar(&who, "principal", "", "only entries for this principal")
	return cmd
}

func list(ctx context.Context, env *command.Env, r *resource, who string) error {
	typ, name, err := r.parse()
	if err != nil {
		return err
	}
	req := kmsg.NewPtrDescribeACLsRequest()
	req.ResourceType, req.ResourcePatternType = typ, kmsg.ACLResourcePatternTypeAny
	req.Operation, req.PermissionType = kmsg.ACLOperationAny, kmsg.ACLPermissionTypeAny
	if name != "" {
		req.ResourceName, req.ResourcePatternType = &name, kmsg.ACLResourcePatternTypeMatch
	}
	if who != "" {
		req.Principal = new(principal(who))
	}
	if r.host != "" {
		req.Host = &r.host
	}
	client, ctx, err := env.Reach(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	resp, err := req.RequestWith(ctx, client.Client)
	if err != nil {
		return client.Explain("list the ACLs", err)
	}
	if err := client.Refused("list the ACLs", resp.ErrorCode, resp.ErrorMessage); err != nil {
		return err
	}
	found := []entry{}
	for _, res := range resp.Resources {
		for _, a := range res.ACLs {
			found = append(found, entry{a.Principal, a.PermissionType.String(), a.Operation.String(), res.ResourceType.String(), res.ResourceName, res.ResourcePatternType.String(), a.Host})
		}
	}
	order(found)
	return env.Emit(found, func() error { return table(env, found) })
}

func order(list []entry) {
	slices.SortFunc(list, func(a, b entry) int {
		return strings.Compare(a.Type+"\x00"+a.Name+"\x00"+a.Principal+"\x00"+a.Operation, b.Type+"\x00"+b.Name+"\x00"+b.Principal+"\x00"+b.Operation)
	})
}

func newDelete(env *command.Env) *cobra.Command {
	var r resource
	var who, ops string
	var all bool
	cmd := &cobra.Command{
		Use: "delete", Short: "Delete access control entries",
		Example:           "  leat acl delete --topic orders --principal alice\n  leat acl delete --topic orders --principal alice --operation read",
		Args:              command.Args(0, 0, "no argument"),
		ValidArgsFunction: command.NoCompletion,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return remove(cmd.Context(), env, &r, who, ops, all)
		},
	}
	r.flags(env, cmd)
	cmd.Flags().StringVar(&who, "principal", "", "only entries for this principal")
	cmd.Flags().StringVar(&ops, "operation", "", "only entries about this operation")
	cmd.Flags().BoolVar(&all, "all", false, "delete all there are")
	command.CompleteFlag(cmd, "operation", operationNames...)
	return cmd
}

func remove(ctx context.Context, env *command.Env, r *resource, who, list string, all bool) error {
	typ, name, err := r.parse()
	if err != nil {
		return err
	}
	if typ == kmsg.ACLResourceTypeAny && who == "" && !all {
		return fault.Usage("this would delete all access control entries").WithHint("name a resource or a --principal, or say --all")
	}
	f := kmsg.NewDeleteACLsRequestFilter()
	f.ResourceType, f.ResourcePatternType = typ, kmsg.ACLResourcePatternTypeAny
	f.Operation, f.PermissionType = kmsg.ACLOperationAny, kmsg.ACLPermissionTypeAny
	if name != "" {
		f.ResourceName, f.ResourcePatternType = &name, r.pattern()
	}
	if who != "" {
		f.Principal = new(principal(who))
	}
	if r.host != "" {
		f.Host = &r.host
	}
	req := kmsg.NewPtrDeleteACLsRequest()
	req.Filters = append(req.Filters, f)
	if list != "" {
		parsed, err := operations(list)
		if err != nil {
			return err
		}
		req.Filters = nil
		for _, op := range parsed {
			f.Operation = op
			req.Filters = append(req.Filters, f)
		}
	}
	client, ctx, err := env.Reach(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	resp, err := req.RequestWith(ctx, client.Client)
	if err != nil {
		return client.Explain("delete the ACLs", err)
	}
	gone := []entry{}
	for _, res := range resp.Results {
		if err := client.Refused("delete the ACLs", res.ErrorCode, res.ErrorMessage); err != nil {
			return err
		}
		for _, a := range res.MatchingACLs {
			gone = append(gone, entry{a.Principal, a.PermissionType.String(), a.Operation.String(), a.ResourceType.String(), a.ResourceName, a.ResourcePatternType.String(), a.Host})
		}
	}
	order(gone)
	return env.Emit(gone, func() error {
		env.Notef("deleted %s", screen.PluralOf(len(gone), "entry", "entries"))
		return table(env, gone)
	})
}
