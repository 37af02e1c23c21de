// log.go: log lines of the library, through a pipe, to a function of the program. Any call may log, also in a thread of the
// library's own; the function is called by one goroutine, later, and holds nobody up.
package arenakv

// #include "shim.h"
import "C"

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
)

// LogLevel says how much a line matters.
type LogLevel uint32

// The levels of arenakv/host.h.
const (
	LogWarning LogLevel = C.AKV_LOG_WARNING
	LogInfo    LogLevel = C.AKV_LOG_INFO
)

var logging struct {
	sync.Mutex
	pipeEnd int // that the library writes to; 0: none
}

// SetLog sends log lines of maxLevel and below to a function; nil sends them nowhere. Process-wide. Lines that were
// written before it returns still come, in their order. No token and no domain is ever logged. A program that is too slow
// for its lines is told how many it missed.
func SetLog(function func(level LogLevel, message string), maxLevel LogLevel) error {
	logging.Lock()
	defer logging.Unlock()
	pipeEnd := -1
	var ends [2]int
	if function != nil {
		if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK); err != nil {
			return fmt.Errorf("arenakv: a pipe for log lines: %w", err)
		}
		pipeEnd = ends[1]
	}
	hold()
	err := check(C.go_set_log(C.int32_t(pipeEnd), C.uint32_t(maxLevel)))
	release()
	if err != nil {
		if function != nil {
			syscall.Close(ends[0])
			syscall.Close(ends[1])
		}
		return err
	}
	if logging.pipeEnd > 0 {
		syscall.Close(logging.pipeEnd) // its goroutine reads what is left, and ends
	}
	logging.pipeEnd = max(pipeEnd, 0)
	if function != nil {
		go readLog(os.NewFile(uintptr(ends[0]), "arenakv log"), function)
	}
	return nil
}

func readLog(lines *os.File, function func(level LogLevel, message string)) {
	defer lines.Close()
	var header [12]byte
	for {
		if _, err := io.ReadFull(lines, header[:]); err != nil {
			return
		}
		message := make([]byte, binary.NativeEndian.Uint32(header[8:]))
		if _, err := io.ReadFull(lines, message); err != nil {
			return
		}
		if lost := binary.NativeEndian.Uint32(header[4:]); lost > 0 {
			function(LogWarning, fmt.Sprintf("%d log lines came too quickly and were lost", lost))
		}
		function(LogLevel(binary.NativeEndian.Uint32(header[:])), string(message))
	}
}
