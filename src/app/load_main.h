// `tidegate load` and `tidegate generate` behind their settings: words in, exit status out.
//
// Exit status 0: done. 1: it could not be run. 2: wrong use. 3: an SLO was missed.
#pragma once

#include <string>
#include <vector>

namespace tidegate::app {

/// `url`: of the server that the settings describe.
int load_main(const std::vector<std::string>& words, const std::string& url, const std::string& version);
int generate_main(const std::vector<std::string>& words);

}  // namespace tidegate::app
