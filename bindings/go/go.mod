// arenakv for Go: the standard library and the C library, nothing else.
module arenakv

go 1.25
