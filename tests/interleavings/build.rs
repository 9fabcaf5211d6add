fn main() {
    println!("cargo:rustc-check-cfg=cfg(loom)\ncargo:rustc-cfg=loom\ncargo:rerun-if-changed=build.rs");
}
