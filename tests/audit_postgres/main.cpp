// The suite, or with `--write URL FIRST` the process that it kills.
#include <gtest/gtest.h>

#include "audit_postgres/writer_process.h"
#include "base/strings.h"

int main(int argc, char** argv) {
    if (argc == 4 && std::string_view(argv[1]) == "--write") {
        return tidegate::testing::write_until_killed(argv[2], tidegate::parse_u64(argv[3]).value_or(0));
    }
    ::testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
