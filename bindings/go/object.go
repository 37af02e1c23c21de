// object.go: what everything that is opened has in common: a handle, Close, and the net under a forgotten Close.
// It knows no call of the library but those that are handed to it.
package arenakv

import "runtime"

// object is a handle of the library: a number that only looks like a pointer, never dereferenced by anybody.
type object struct {
	handle  uintptr
	net     net
	cleanup runtime.Cleanup
}

// net is what has to be done when an object is not there any more. It may not reach the object itself.
type net struct {
	handle  uintptr
	destroy func(handle uintptr) error
	kept    []any // what must not be closed before it: the collector can't, as long as this is here
}

// end destroys, and gives back the buffers that were lent.
func (n net) end() error {
	hold()
	defer release()
	if n.destroy == nil {
		return refuse(ErrBadHandle, "this object was never opened")
	}
	if err := n.destroy(n.handle); err != nil {
		return err
	}
	for _, thing := range n.kept {
		if buffer, ok := thing.(*Buffer); ok {
			buffer.giveBack()
		}
	}
	return nil
}

// close is Close of all types: the library decides. A second one is ErrBadHandle.
func (o *object) close() error {
	if err := o.net.end(); err != nil {
		return err
	}
	o.cleanup.Stop()
	runtime.KeepAlive(o)
	return nil
}

// Raw is the handle as C takes it (an akv_cache *, an akv_store * ...), for programs with C of their own (row A19). It is
// good until Close, and keeps nothing alive.
func (o *object) Raw() uintptr { return o.handle }

// watch spreads the net under an object. What the library refuses to destroy then (a page pool whose tickets are open)
// stays: nobody is left who could vouch for it.
func watch[T any](owner *T, o *object, n net) {
	o.handle, o.net = n.handle, n
	o.cleanup = runtime.AddCleanup(owner, func(n net) { _ = n.end() }, n)
}

// hold keeps the goroutine on its thread: the message of a failed call belongs to the thread that made it.
func hold() { runtime.LockOSThread() }

func release() { runtime.UnlockOSThread() }
