//go:build !arenakv_gctorture

// collect_none.go: without the tag arenakv_gctorture the collector runs when it likes.
package arenakv

const tortured = false

func collect() {}
