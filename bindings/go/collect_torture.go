//go:build arenakv_gctorture

// collect_torture.go: with the tag arenakv_gctorture the collector, and what it found, runs inside every call, between
// reading a handle and using it. An object that nothing keeps alive at that moment is closed under its own call.
package arenakv

import (
	"runtime"
	"time"
)

const tortured = true

func collect() {
	done := make(chan struct{})
	runtime.AddCleanup(&struct{ pointer *int }{new(int)}, func(done chan struct{}) { close(done) }, done)
	runtime.GC()
	select {
	case <-done:
	case <-time.After(time.Second): // the cleanups may be waiting for this very call
	}
	runtime.Gosched()
}
