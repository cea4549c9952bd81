// `tidegate load` and `tidegate generate`: the address of the settings where no other is named.
#include <fmt/core.h>

#include "app/commands.h"
#include "app/load_main.h"
#include "app/server.h"

namespace tidegate::app {
namespace {

/// Of the server that these settings would start; one that listens everywhere is asked here.
std::string url_of(const AppSettings& settings) {
    std::string host = settings.server.address;
    if (host.empty() || host == "0.0.0.0" || host == "::") host = "127.0.0.1";
    if (host.find(':') != std::string::npos) host = "[" + host + "]";
    return fmt::format("{}://{}:{}", settings.server.tls_certificate.empty() ? "http" : "https", host,
                       settings.server.port);
}

}  // namespace

int run_load(const Invocation& invocation) {
    return load_main(invocation.words, url_of(invocation.settings), std::string(version()));
}

int run_generate(const Invocation& invocation) {
    return generate_main(invocation.words);
}

}  // namespace tidegate::app
