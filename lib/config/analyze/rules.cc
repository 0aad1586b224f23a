#include <array>

#include "config/analyze/analyze.h"

namespace mesh::config {

std::span<const Rule> rules() {
  constexpr auto kError = Severity::Error;
  constexpr auto kWarning = Severity::Warning;
  static constexpr std::array kRules{
      Rule{"M001", "InvalidObject", kError, true, "an object is not right in itself"},
      Rule{"M002", "PassedOver", kWarning, false, "what is written has no meaning here"},
      Rule{"M101", "UnknownHost", kError, false, "no ServiceEntry has the host"},
      Rule{"M102", "UnknownSubset", kError, true, "no DestinationRule of the host has the subset"},
      Rule{"M103", "UnknownPort", kError, false, "the service does not have the port"},
      Rule{"M104", "UnknownGateway", kError, false, "there is no Gateway, or server, of that name"},
      Rule{"M105", "UnknownDelegate", kError, true, "there is no VirtualService of that name"},
      Rule{"M106", "InvalidDelegate", kError, true, "a delegate has hosts, or delegates itself"},
      Rule{"M107", "DelegateLoop", kError, true, "delegates lead to each other"},
      Rule{"M108", "ConflictingHost", kError, true, "two objects rule the same host"},
      Rule{"M109", "ConflictingScope", kError, true, "two objects rule the same namespace"},
      Rule{"M110", "ConflictingGateway", kError, false,
           "servers of two Gateways cannot stand at one place"},
      Rule{"M111", "UnknownProvider", kError, false, "no MeshConfig has the extensionProvider"},
      Rule{"M112", "NotAsked", kError, false, "connections pass that no authorizer is asked about"},
      Rule{"M201", "UnreachableRule", kWarning, false, "a rule before it takes all that it would"},
      Rule{"M202", "SelectsNothing", kWarning, false, "no workload has the labels"},
      Rule{"M203", "NoEffect", kWarning, false, "what it works on is not configured"},
      Rule{"M204", "HostNotAtGateway", kWarning, false,
           "the Gateway has none of the VirtualService's hosts"},
      Rule{"M205", "UnusedGateway", kWarning, false, "no route is bound to the Gateway"},
      Rule{"M206", "UnusedDelegate", kWarning, false, "no VirtualService delegates to it"},
      Rule{"M207", "ShadowedObject", kWarning, false, "another object is used in its place"},
      Rule{"M208", "WrongProtocol", kWarning, false,
           "the service has no port of the routes' protocol"},
      Rule{"M209", "MissingFile", kWarning, false, "a file is not on this host"},
      Rule{"M210", "NoPercentage", kWarning, false,
           "a fault without a percentage meets no request"},
  };
  return kRules;
}

}  // namespace mesh::config
