// conformance_test.go: replays the stories of tests/conformance, which C, Python and Rust replay too. Here: reading a step,
// comparing its answer, names of things. What the words of `do` call is in conformance_words_test.go.
package arenakv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

const conformance = "../../tests/conformance"

type stepKeys = map[string]json.RawMessage

// step is one step of a story. Keys that nobody asked for make it fail.
type step struct {
	keys stepKeys
	used map[string]bool
}

func (s *step) has(key string) bool {
	s.used[key] = true
	_, there := s.keys[key]
	return there
}

// get reads a key into a value of the type of fallback, which it is where the key is not there.
func get[T any](s *step, key string, fallback T) T {
	if !s.has(key) {
		return fallback
	}
	var value T
	if err := json.Unmarshal(s.keys[key], &value); err != nil {
		panic(fmt.Sprintf("%s: %v", key, err))
	}
	return value
}

func (s *step) number(key string) uint32 { return get(s, key, uint32(0)) }

// names of a key that holds one name or a list of them.
func (s *step) names(key string) []string {
	var list []string
	s.has(key)
	if json.Unmarshal(s.keys[key], &list) == nil {
		return list
	}
	return []string{get(s, key, "")}
}

// tokens are a list, null for unknown, or {"from", "count"}; nil where the key is not there.
func (s *step) tokens(key string) []int32 {
	if !s.has(key) {
		return nil
	}
	var list []*int32
	if json.Unmarshal(s.keys[key], &list) == nil {
		tokens := make([]int32, len(list))
		for i, token := range list {
			tokens[i] = TokenUnknown
			if token != nil {
				tokens[i] = *token
			}
		}
		return tokens
	}
	stretch := get(s, key, struct{ From, Count int32 }{})
	tokens := make([]int32, stretch.Count)
	for i := range tokens {
		tokens[i] = stretch.From + int32(i)
	}
	return tokens
}

func (s *step) flags(words map[string]uint32) uint32 {
	var flags uint32
	for _, word := range get(s, "flags", []string(nil)) {
		flag, known := words[word]
		if !known {
			panic("no flag " + word)
		}
		flags |= flag
	}
	return flags
}

// results of a step: what it answers, by the names of the C structs.
type results struct {
	of   any            // a struct, or
	list map[string]any // values by name
	plan Plan
}

type story struct {
	things map[string]any
	order  []any // as they were made
}

func (s *story) make(name string, thing any) {
	s.things[name] = thing
	s.order = append(s.order, thing)
}

func thing[T any](s *story, name string) T {
	found, there := s.things[name].(T)
	if !there {
		panic(fmt.Sprintf("%q is %T, and no %T", name, s.things[name], found))
	}
	return found
}

func (s *story) cache(step *step) *Cache { return thing[*Cache](s, get(step, "in", "cache")) }

// id of anything that has one, for handing handles of one kind where another is wanted.
func (s *story) id(name string) uint64 {
	switch of := s.things[name].(type) {
	case Sequence:
		return uint64(of.ID)
	case Plan:
		return uint64(of.ID)
	case Lease:
		return uint64(of.ID)
	case Pin:
		return uint64(of.ID)
	case Ticket:
		return uint64(of)
	case poolTicket:
		return uint64(of.ticket)
	}
	panic(fmt.Sprintf("%q is %T and has no id", name, s.things[name]))
}

func (s *story) sequence(step *step) Sequence {
	return s.cache(step).Sequence(SequenceID(s.id(get(step, "on", ""))))
}

// plain is a name without case and underscores: what Go and C have in common.
func plain(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "")) }

// field is a result by its name in C.
func (r results) field(name string) any {
	if value, there := r.list[name]; there {
		return value
	}
	if r.of != nil {
		of := reflect.ValueOf(r.of)
		for i := range of.NumField() {
			if of.Type().Field(i).IsExported() && plain(of.Type().Field(i).Name) == plain(name) {
				return of.Field(i).Interface()
			}
		}
	}
	panic("no result " + name)
}

// differs tells how an answer is not what is expected; "" if it is.
func (s *story) differs(expected any, answer any) string {
	tell := func(same bool) string {
		if same {
			return ""
		}
		return fmt.Sprintf("is %v, expected %v", answer, expected)
	}
	switch answer := answer.(type) {
	case Ticket:
		name, named := expected.(string)
		return tell(!named && answer == 0 || named && uint64(answer) == s.id(name))
	case SequenceID:
		return tell(uint64(answer) == s.id(expected.(string)))
	case Status:
		return tell(expected == strings.TrimPrefix(strings.TrimPrefix(answer.String(), "AKV_ERROR_"), "AKV_"))
	case PlanRecord, CopyStats:
		return s.differsFields(expected.(map[string]any), results{of: answer})
	}
	value := reflect.ValueOf(answer)
	if word, isWord := expected.(string); isWord {
		return tell(enumeratorOf(answer) == word)
	}
	if expected == nil {
		return tell(answer == TokenUnknown)
	}
	if list, isList := expected.([]any); isList {
		if value.Len() != len(list) {
			return fmt.Sprintf("has %d elements: %v, expected %v", value.Len(), answer, expected)
		}
		for i := range list {
			if difference := s.differs(list[i], value.Index(i).Interface()); difference != "" {
				return fmt.Sprintf("[%d] %s (all: %v)", i, difference, answer)
			}
		}
		return ""
	}
	return tell(fmt.Sprint(answer) == string(expected.(json.Number)))
}

func (s *story) differsFields(expected map[string]any, answer results) string {
	for name, value := range expected {
		if difference := s.differs(value, answer.field(name)); difference != "" {
			return name + " " + difference
		}
	}
	return ""
}

// play makes the call of a step and compares its answer.
func (s *story) play(keys stepKeys) (failure string) {
	step := &step{keys, map[string]bool{}}
	defer func() {
		if problem := recover(); problem != nil {
			failure = fmt.Sprint(problem)
		}
	}()
	do := get(step, "do", "")
	word, known := words[do]
	if !known {
		return "unknown do: " + do
	}
	answer, err := word(s, step)
	wanted := get(step, "error", "")
	if difference := differsError(step, wanted, err); difference != "" {
		return difference
	}
	if plan := get(step, "plan", ""); err == nil && (plan != "") == answer.plan.None() {
		return fmt.Sprintf("plan %d, expected %q", answer.plan.ID, plan)
	} else if plan != "" {
		s.make(plan, answer.plan)
	}
	if step.has("expect") && err == nil {
		decoder := json.NewDecoder(strings.NewReader(string(keys["expect"])))
		decoder.UseNumber()
		var value any
		if err := decoder.Decode(&value); err != nil {
			return err.Error()
		}
		if difference := s.differsFields(value.(map[string]any), answer); difference != "" {
			return difference
		}
	}
	for key := range keys {
		if !step.used[key] {
			return "unknown key: " + key
		}
	}
	return ""
}

func differsError(step *step, wanted string, err error) string {
	needed, available, row := step.has("needed"), step.has("available"), step.has("row")
	if err == nil || wanted == "" {
		if err != nil || wanted != "" {
			return fmt.Sprintf("answered %v, expected %q", err, wanted)
		}
		return ""
	}
	var failure *Error
	if !errors.As(err, &failure) || failure.Status.String() != "AKV_ERROR_"+wanted {
		return fmt.Sprintf("answered %v, expected %q", err, wanted)
	}
	if needed && get(step, "needed", uint64(0)) != failure.Needed || available && get(step, "available", uint64(0)) != failure.Available ||
		row && get(step, "row", 0) != failure.Row {
		return fmt.Sprintf("answered %v with needed %d, available %d, row %d", err, failure.Needed, failure.Available, failure.Row)
	}
	return ""
}

// end: streams are waited for, every cache must be content with itself, and what is still open is closed.
func (s *story) end() error {
	var problems []error
	for _, made := range s.order {
		if stream, ok := made.(*Stream); ok {
			context, cancel := context.WithTimeout(context.Background(), time.Minute)
			problems = append(problems, unless(stream.Wait(context, PointAll), ErrBadHandle))
			cancel()
		}
	}
	for _, made := range s.order {
		if cache, ok := made.(*Cache); ok {
			problems = append(problems, unless(cache.AuditAll(), ErrBadHandle))
		}
	}
	for _, made := range slices.Backward(s.order) {
		if closable, ok := made.(interface{ Close() error }); ok {
			problems = append(problems, unless(closable.Close(), ErrBadHandle))
		}
	}
	return errors.Join(problems...)
}

func unless(err error, status Status) error {
	if errors.Is(err, status) {
		return nil
	}
	return err
}

// replay plays a whole story; "" if it is kept.
func replay(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	var told struct {
		Cache json.RawMessage
		Steps []stepKeys
	}
	if err := json.Unmarshal(text, &told); err != nil || len(told.Steps) == 0 {
		return fmt.Sprint("no story: ", err)
	}
	s := &story{things: map[string]any{}}
	failure := s.play(stepKeys{"do": json.RawMessage(`"open"`), "as": json.RawMessage(`"cache"`), "cache": told.Cache})
	for i, keys := range told.Steps {
		if failure != "" {
			break
		}
		if failure = s.play(keys); failure != "" {
			line, _ := json.Marshal(keys)
			failure = fmt.Sprintf("step %d, %s: %s", i+1, line, failure)
		}
	}
	if err := s.end(); failure == "" && err != nil {
		return fmt.Sprint("at the end: ", err)
	}
	return failure
}

func storiesIn(t *testing.T, folder string) []string {
	paths, _ := filepath.Glob(filepath.Join(conformance, folder, "*.json"))
	if len(paths) == 0 {
		t.Skip("no stories here: this is a copy of the module alone, or a tree without tests/conformance")
	}
	return paths
}

// TestConformance: S3 every story is kept.
func TestConformance(t *testing.T) {
	for _, path := range storiesIn(t, "stories") {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".json"), func(t *testing.T) {
			if failure := replay(path); failure != "" {
				t.Fatal(failure)
			}
		})
	}
}

// TestConformanceFindsBrokenStories: and no broken one is.
func TestConformanceFindsBrokenStories(t *testing.T) {
	for _, path := range storiesIn(t, "broken") {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".json"), func(t *testing.T) {
			if failure := replay(path); failure == "" {
				t.Fatal("the replayer is content with it")
			} else {
				t.Log(failure)
			}
		})
	}
}
