#include "tidy/checks.h"

namespace tidegate::tidy {

const std::vector<Check>& all_checks() {
    static const std::vector<Check> checks{
        {"floors", check_floors},
        {"file size", check_file_size},
        {"function size", check_function_size},
        {"header opening", check_header_opening},
        {"banned calls", check_banned_calls},
        {"coroutine temporaries", check_coroutine_temporaries},
        {"registration", check_registration},
        {"leftovers", check_leftovers},
        {"machine paths", check_machine_paths},
        {"blanks", check_blanks},
        {"settings are read", check_settings_are_read},
    };
    return checks;
}

}  // namespace tidegate::tidy
