// OpenAPI: the OpenAPI 3.1 document of a route table.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "pipeline/route.h"

namespace tidegate::pipeline {

/// The document as JSON. The same table gives the same bytes.
std::string openapi_document(std::span<const Route> routes, std::string_view version);

}  // namespace tidegate::pipeline
