// `tidegate audit report`: a report of the compliance service from a log alone, without its server.
#pragma once

#include "app/commands.h"

namespace tidegate::app {

/// LOG --type sec|finra|mifid2|gdpr|ai-act --from TIME --to TIME --output FILE [--format json|html|csv-of-failures|ndjson] [--key FILE]
/// [--tenant T] [--service S] [--model M] [--subject S]. 0; 1 when it cannot be made; 2 for wrong words.
/// `ndjson`: the records of a GDPR report's subject, an object a line: what the subject may ask to see and to take along.
int run_audit_report(const Invocation& invocation);

}  // namespace tidegate::app
