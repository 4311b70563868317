package engine

// SetLeaving changes what the close of this app does to its membership.
func (a *App) SetLeaving(l Leaving) { a.leaving.Store(int32(l)) }

// leaves tells whether the group is told that this process leaves it.
func (a *App) leaves() bool {
	switch Leaving(a.leaving.Load()) { //nolint:gosec // as it was stored
	case LeaveGroup:
		return true
	case RemainInGroup:
		return false
	default:
		return a.prog.Settings.GroupInstanceID == ""
	}
}
