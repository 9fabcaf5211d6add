"""outlive for conan: built by cargo from the source archive, which has every crate. conandata.yml beside it, which `make dist` writes, says
where that is. A Rust toolchain (1.88 or later) and make come from the system."""

import os

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.files import copy, get, rm, rmdir


class Outlive(ConanFile):
    name = "outlive"
    description = "PHP's connection handling for any server: requests that outlive their connections"
    license = "MIT OR Apache-2.0"
    topics = ("php", "apache", "server", "timeout", "disconnect")
    package_type = "library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"shared": [True, False]}
    default_options = {"shared": False}

    def configure(self):
        # A C ABI: neither the C++ standard nor its library matters.
        self.settings.rm_safe("compiler.libcxx")
        self.settings.rm_safe("compiler.cppstd")

    def validate(self):
        if self.settings.os != "Linux":
            raise ConanInvalidConfiguration("outlive works on Linux")

    def source(self):
        get(self, **self.conan_data["sources"][self.version], strip_root=True)

    def make(self, words):
        self.run(f'make {words} CARGO_TARGET_DIR="{self.build_folder}/target"', cwd=self.source_folder)

    def build(self):
        self.make("lib")

    def package(self):
        self.make(f'install-lib PREFIX="{self.package_folder}" DOCDIR="{self.build_folder}/doc"')
        for pattern in ("LICENSE-*", "THIRD-PARTY.txt"):
            copy(self, pattern, src=self.source_folder, dst=os.path.join(self.package_folder, "licenses"))
        lib = os.path.join(self.package_folder, "lib")
        # conan writes its own.
        rmdir(self, os.path.join(lib, "cmake"))
        rmdir(self, os.path.join(lib, "pkgconfig"))
        rm(self, "liboutlive.a" if self.options.shared else "liboutlive.so*", lib)

    def package_info(self):
        self.cpp_info.libs = ["outlive"]
        self.cpp_info.set_property("cmake_file_name", "outlive")
        self.cpp_info.set_property("cmake_target_name", "outlive::outlive")
        self.cpp_info.set_property("pkg_config_name", "outlive")
        if not self.options.shared:
            self.cpp_info.system_libs = ["util", "rt", "pthread", "m", "dl"]
