// main.go: the quick start of the README: two prompts that begin alike, in a small cache.
package main

import (
	"arenakv"
	"errors"
	"fmt"
)

func main() {
	cache, _ := arenakv.Open(&arenakv.Config{NumBlocks: 16, BlockTokens: 4})
	defer cache.Close()
	system := []int32{11, 12, 13, 14, 15, 16, 17, 18, 19} // token ids: a system prompt
	first, _ := cache.Create(arenakv.Prompt{Tokens: append(system, 20)}, nil)
	first.Sequence.Commit(first.Length, 0) // its K/V were computed: others may share them
	second, _ := cache.Create(arenakv.Prompt{Tokens: append(system, 31, 32)}, nil)
	fmt.Println("cached:", second.CachedTokens, "of", second.Length)
	_, err := cache.Create(arenakv.Prompt{Tokens: make([]int32, 60)}, nil)
	fmt.Println(errors.Is(err, arenakv.ErrNoBlocks), err)
}
