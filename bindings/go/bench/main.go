// main.go: what one decode step of 256 sequences costs in Go, and in C through the same library in the same process.
//
//	go run ./bench [-sequences 256] [-rounds 9] [-steps 400]
//
// Both grow the same sequences by one token each, with slot mapping and block tables written into arrays that are there.
// Rounds take turns, so that both meet the same disturbances, and the best of each counts.
package main

import (
	"flag"
	"fmt"
	"log"
	"runtime"
	"slices"
	"time"
	"unsafe"

	"arenakv"
	"arenakv/internal/cside"
)

const length, blockTokens, width = 1200, 16, 256

// engine is what a scheduler has of its running sequences.
type engine struct {
	cache     *arenakv.Cache
	sequences []arenakv.SequenceID
	batch     arenakv.Batch
	tables    arenakv.Tables
	round     int32
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func newEngine(count int) *engine {
	e := &engine{sequences: make([]arenakv.SequenceID, count)}
	e.cache = must(arenakv.Open(&arenakv.Config{NumBlocks: uint32(count*160 + 20000), MaxSequences: uint32(count)}))
	e.batch = arenakv.Batch{Sequences: e.sequences, Tokens: make([]int32, count)}
	e.tables = arenakv.Tables{SlotMapping: make([]int64, count), BlockTable: make([]int32, count*width),
		RowStates: make([]arenakv.RowState, count), RowWidth: width}
	return e
}

// start makes new sequences, at different places in their blocks, as they are in a server.
func (e *engine) start() {
	for i := range e.sequences {
		if e.sequences[i] != 0 {
			must(0, e.cache.Sequence(e.sequences[i]).Free())
		}
		e.round++
		tokens := make([]int32, length+i%blockTokens)
		for t := range tokens {
			tokens[t] = e.round*7919 + int32(t)
		}
		options := &arenakv.SequenceOptions{Flags: arenakv.SequenceCommitted}
		e.sequences[i] = must(e.cache.Create(arenakv.Prompt{Tokens: tokens}, options)).Sequence.ID
	}
	e.step() // rows are written once in full
}

func (e *engine) step() {
	if _, err := e.cache.AppendBatch(&e.batch, &e.tables); err != nil {
		log.Fatal(err)
	}
}

func (e *engine) inGo(steps int) time.Duration {
	e.start()
	begin := time.Now()
	for range steps {
		e.step()
	}
	return time.Since(begin) / time.Duration(steps)
}

func (e *engine) inC(steps int) time.Duration {
	e.start()
	ids := unsafe.Slice((*uint64)(unsafe.SliceData(e.sequences)), len(e.sequences))
	took := cside.Decode(e.cache.Raw(), ids, e.batch.Tokens, e.tables.SlotMapping, e.tables.BlockTable,
		unsafe.Pointer(&e.tables.RowStates[0]), width, uint32(steps))
	if took == 0 {
		log.Fatal("a call in C failed")
	}
	runtime.KeepAlive(e.cache)
	return took / time.Duration(steps)
}

// allocations of a step, counted by the runtime.
func (e *engine) allocations(steps int) float64 {
	e.start()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range steps {
		e.step()
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / float64(steps)
}

func main() {
	sequences := flag.Int("sequences", 256, "of a step")
	rounds := flag.Int("rounds", 9, "of each")
	steps := flag.Int("steps", 400, "of a round")
	flag.Parse()
	e := newEngine(*sequences)
	defer e.cache.Close()
	var inGo, inC []time.Duration
	for range *rounds {
		inC = append(inC, e.inC(*steps))
		inGo = append(inGo, e.inGo(*steps))
	}
	slices.Sort(inGo)
	slices.Sort(inC)
	fmt.Printf("one decode step of %d sequences, slot mapping and block tables in place\n", *sequences)
	fmt.Printf("C      %8d ns (median %d)\n", inC[0].Nanoseconds(), inC[*rounds/2].Nanoseconds())
	fmt.Printf("Go     %8d ns (median %d)\n", inGo[0].Nanoseconds(), inGo[*rounds/2].Nanoseconds())
	fmt.Printf("Go / C %8.2f (target 1.5; medians %.2f)\n", float64(inGo[0])/float64(inC[0]),
		float64(inGo[*rounds/2])/float64(inC[*rounds/2]))
	fmt.Printf("allocations a step in Go: %.4f\n", e.allocations(*steps))
}
