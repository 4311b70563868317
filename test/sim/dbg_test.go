package sim
import ("testing";"fmt";"os";"strconv";"leat.dev/internal/base/vfs")
func TestDbg(t *testing.T){
 if os.Getenv("DBG")=="" { t.Skip() }
 n,_ := strconv.ParseUint(os.Getenv("DBG"),10,64)
 s := newLogSim(n, os.Getenv("DBGC")!="")
 err := s.run(150)
 fmt.Println(err)
 for _, b := range s.m.batches { fmt.Printf("%d-%d pid %d seq %d txn %v marker %v commit %v\n", b.base,b.next,b.pid,b.seq,b.txn,b.marker,b.commit) }
 l,_ := s.disk.ReadDir("/t-0")
 for _, e := range l { fmt.Println(e.Name, e.Size); if len(e.Name)>9 && e.Name[len(e.Name)-9:]==".txnindex" { d,_ := vfs.ReadFile(s.disk,"/t-0/"+e.Name); fmt.Printf("%x\n", d)} }
 fmt.Println(s.trace)
}
