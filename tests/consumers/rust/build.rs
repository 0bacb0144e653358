// Links the static library from the folder that FASTGMMMI_LIB_DIR names: lib/ of the prefix that csrc/Makefile installed to.
fn main() {
    println!("cargo:rerun-if-env-changed=FASTGMMMI_LIB_DIR");
    let folder = std::env::var("FASTGMMMI_LIB_DIR")
        .expect("set FASTGMMMI_LIB_DIR to the folder of libfastgmmmi.a");
    println!("cargo:rustc-link-search=native={folder}");
    println!("cargo:rustc-link-lib=static=fastgmmmi");
    println!("cargo:rustc-link-lib=m");
}
