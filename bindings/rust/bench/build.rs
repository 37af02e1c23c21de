//! build.rs: compiles the C side of the benchmark; it knows where the headers lie in the source tree.
fn main() {
    println!("cargo:rerun-if-changed=decode_step.c");
    cc::Build::new().file("decode_step.c").include("../../../include").opt_level(2).compile("decode_step");
}
