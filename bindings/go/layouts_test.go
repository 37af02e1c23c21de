// layouts_test.go: what the package declares for C is as the compiler measured it (tests/abi/facts.golden.json): structs
// field by field, every constant, every function a wrapper (bindings/coverage.toml).
package arenakv

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// mirrored are the structs that C reads and writes as they are in Go.
var mirrored = map[string]reflect.Type{
	"akv_plane": reflect.TypeFor[Plane](), "akv_sizes": reflect.TypeFor[Sizes](),
	"akv_sequence_options": reflect.TypeFor[SequenceOptions](), "akv_room": reflect.TypeFor[Room](),
	"akv_sequence_info": reflect.TypeFor[SequenceInfo](), "akv_row_state": reflect.TypeFor[RowState](),
	"akv_cache_state": reflect.TypeFor[State](), "akv_measures": reflect.TypeFor[Measures](),
	"akv_sequence_line": reflect.TypeFor[SequenceLine](), "akv_hold_line": reflect.TypeFor[HoldLine](),
	"akv_match": reflect.TypeFor[Match](), "akv_explanation": reflect.TypeFor[Explanation](),
	"akv_plan_record": reflect.TypeFor[PlanRecord](), "akv_plan_info": reflect.TypeFor[PlanInfo](),
	"akv_view": reflect.TypeFor[View](), "akv_stream_config": reflect.TypeFor[StreamConfig](),
	"akv_store_info": reflect.TypeFor[StoreInfo](), "akv_copy_stats": reflect.TypeFor[CopyStats](),
	"akv_allocation": reflect.TypeFor[Allocation](), "akv_memory_totals": reflect.TypeFor[MemoryTotals](),
	"akv_image_info": reflect.TypeFor[ImageInfo](), "akv_residence": reflect.TypeFor[Residence](),
	"akv_memory_view": reflect.TypeFor[MemoryView](), "akv_dropped": reflect.TypeFor[Dropped](),
	"akv_arena_info": reflect.TypeFor[ArenaInfo](), "akv_page_pool_state": reflect.TypeFor[PagePoolState](),
	"akv_tail_info": reflect.TypeFor[TailInfo](), "akv_model": reflect.TypeFor[Model](),
	"akv_model_sizes": reflect.TypeFor[ModelSizes](), "akv_planner_request": reflect.TypeFor[PlannerRequest](),
	"akv_planner_result": reflect.TypeFor[PlannerResult](), "akv_page_size": reflect.TypeFor[PageSize](),
}

type facts struct {
	Structs map[string]struct {
		Size   uintptr
		Fields json.RawMessage
	}
	Constants map[string]json.Number
	Functions map[string]json.RawMessage
}

func readFacts(t *testing.T) facts {
	text, err := os.ReadFile("../../tests/abi/facts.golden.json")
	if err != nil {
		t.Skip("tests/abi/facts.golden.json is not here: this is a copy of the module alone")
	}
	var golden facts
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	return golden
}

// fieldsInOrder: JSON objects keep their order only for who reads them token by token.
func fieldsInOrder(t *testing.T, text json.RawMessage) (names []string, offsets, sizes []uintptr) {
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	if _, err := decoder.Token(); err != nil {
		t.Fatal(err)
	}
	for decoder.More() {
		name, _ := decoder.Token()
		var field struct{ Offset, Size uintptr }
		if err := decoder.Decode(&field); err != nil {
			t.Fatal(err)
		}
		names, offsets, sizes = append(names, name.(string)), append(offsets, field.Offset), append(sizes, field.Size)
	}
	return names, offsets, sizes
}

func TestStructsAreAsTheCompilerMeasuresThem(t *testing.T) {
	golden := readFacts(t)
	for name, of := range mirrored {
		fact, there := golden.Structs[name]
		if !there {
			t.Errorf("%s is not in the headers", name)
			continue
		}
		names, offsets, sizes := fieldsInOrder(t, fact.Fields)
		if of.Size() != fact.Size || of.NumField() != len(names) {
			t.Errorf("%s has %d bytes in %d fields, C's %d in %d", of, of.Size(), of.NumField(), fact.Size, len(names))
			continue
		}
		for i, wanted := range names {
			field := of.Field(i)
			if field.Offset != offsets[i] || field.Type.Size() != sizes[i] || field.Name != "_" && plain(field.Name) != plain(wanted) {
				t.Errorf("%s.%s is %d bytes at %d; C's %s %d at %d", of, field.Name, field.Type.Size(), field.Offset, wanted, sizes[i], offsets[i])
			}
		}
	}
}

// sources of the package, in one string.
func sources(t *testing.T) string {
	var all strings.Builder
	for _, pattern := range []string{"*.go", "shim.h", "callback.c"} {
		paths, _ := filepath.Glob(pattern)
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") || path == "calls.go" {
				continue
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(text)
		}
	}
	return all.String()
}

func TestEveryConstantIsThere(t *testing.T) {
	// Of C alone: what zero handles, NULL allocators and version arithmetic are for.
	notHere := map[string]bool{"AKV_NONE": true}
	golden, text := readFacts(t), sources(t)
	for name := range golden.Constants {
		if there := regexp.MustCompile(`\bC\.` + name + `\b`).MatchString(text); there == notHere[name] {
			t.Errorf("%s: mentioned %v, to be left out %v", name, there, notHere[name])
		}
	}
}

// exported names of the package: "Open", "Cache.Append".
func exported(t *testing.T) map[string]bool {
	names := map[string]bool{}
	paths, _ := filepath.Glob("*.go")
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, declaration := range file.Decls {
			function, is := declaration.(*ast.FuncDecl)
			if !is || !function.Name.IsExported() {
				continue
			}
			name := function.Name.Name
			if function.Recv != nil {
				receiver := function.Recv.List[0].Type
				if pointer, is := receiver.(*ast.StarExpr); is {
					receiver = pointer.X
				}
				name = receiver.(*ast.Ident).Name + "." + name
			}
			names[name] = true
		}
	}
	return names
}

func TestEveryFunctionHasAWrapper(t *testing.T) {
	golden, text, names := readFacts(t), sources(t), exported(t)
	table, err := os.ReadFile("../coverage.toml")
	if err != nil {
		t.Fatal(err)
	}
	wrappers := map[string]string{}
	for _, line := range regexp.MustCompile(`(?m)^\[(akv_\w+)\]\n(?:\w+ = .*\n)*?go = "([^"]+)"$`).FindAllStringSubmatch(string(table), -1) {
		wrappers[line[1]] = line[2]
	}
	for function := range golden.Functions {
		wrapper := wrappers[function]
		delete(wrappers, function)
		if strings.HasPrefix(wrapper, "raw-only: ") {
			continue
		}
		if wrapper == "" || !names[wrapper] {
			t.Errorf("%s: no wrapper %q", function, wrapper)
		}
		if !strings.Contains(text, function+"(") {
			t.Errorf("%s is not called", function)
		}
	}
	for function := range wrappers {
		t.Errorf("%s is no function of the library", function)
	}
}

// TestEveryCallIsToldToTheCompiler: noescape and nocallback, for all but those that call Go.
func TestEveryCallIsToldToTheCompiler(t *testing.T) {
	calls, err := os.ReadFile("calls.go")
	if err != nil {
		t.Fatal(err)
	}
	callsGo := map[string]bool{"go_store_warm_up": true, "go_stream_call": true}
	functions := readFacts(t).Functions
	for _, match := range regexp.MustCompile(`\bC\.((?:akv|go)_\w+)\(`).FindAllStringSubmatch(sources(t), -1) {
		name := match[1]
		if functions[name] == nil && !strings.HasPrefix(name, "go_") {
			continue // a type
		}
		told := strings.Contains(string(calls), "#cgo noescape "+name+"\n") && strings.Contains(string(calls), "#cgo nocallback "+name+"\n")
		if told == callsGo[name] {
			t.Errorf("%s: told %v, calls Go %v", name, told, callsGo[name])
		}
	}
}
