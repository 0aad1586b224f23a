// What a call would change: apply, delete, rollback. service.h.
#include "base/log.h"
#include "base/text.h"
#include "cmd/configd/replies.h"
#include "cmd/configd/service.h"
#include "config/selector.h"

namespace mesh::configd {
namespace {

template <class Plan>
void refuse(Plan& plan, std::string text) {
  add_problems(plan.reply, {std::move(text)}, false);
}

}  // namespace

Result<Service::Plan> Service::begin(const std::string& how, const std::string& if_generation,
                                     const bus::Peer& peer) const {
  const std::string& now = configuration_.generation();
  if (!if_generation.empty() && if_generation != now)
    return Error{Errc::Invalid,
                 "the generation is " + now + ", not " + if_generation + " any more"};
  Plan plan;
  plan.reply.set_generation(now);
  plan.reply.set_generation_before(now);
  plan.change.origin = {.how = how, .uid = peer.uid};
  config::Source* const source = configuration_.sources().writable();
  if (source == nullptr) {
    refuse(plan, "no source of objects can be written; change them where they come from");
    return plan;
  }
  if (const std::string waited = configuration_.sources().waiting_for(); !waited.empty())
    refuse(plan, "it is not known yet what these have: " + waited +
                     "; without that nothing can be accepted (mesh status)");
  const Trial& trial = configuration_.trial();
  if (trial.on() && how != "rollback")
    refuse(plan, "generation " + trial.state().generation() + " is on trial; first: mesh confirm " +
                     trial.state().generation() + ", or mesh rollback " + trial.state().back_to());
  MESH_TRY(plan.change.before, source->editor()->read());
  if (!plan.change.before.errors.empty()) {
    refuse(plan, Sources::title(*source) + " " + source->location() + " is wrong; mend it first:");
    add_problems(plan.reply, plan.change.before.errors, false);
  }
  return plan;
}

Result<Service::Plan> Service::plan_apply(const v1::ApplyRequest& request, const bus::Peer& peer) {
  constexpr auto kTrialMax = std::chrono::duration_cast<std::chrono::milliseconds>(Trial::kLongest);
  if (request.trial_ms() > uint64_t(kTrialMax.count()))
    return Error{Errc::Invalid, "a trial lasts a week at most"};
  MESH_TRY(config::Reading added, read_files(request.files()));
  MESH_TRY(Plan plan, begin("apply", request.if_generation(), peer));
  add_problems(plan.reply, added.errors, false);
  add_problems(plan.reply, added.warnings, true);
  const config::ObjectSet asked = added.set;
  for (const auto& [name, object] : asked.objects()) {
    const config::ObjectRef there = configuration_.set().find_ref(name);
    const auto* const owner = there ? configuration_.sources().owner_of(*there) : nullptr;
    if (owner == nullptr || owner == configuration_.sources().writable()) continue;
    if (there.same_meaning(object)) {
      add_change(plan.reply, name, v1::Change::UNCHANGED);
      added.set.remove(name);
      continue;
    }
    refuse(plan, config::to_string(object->file(), config::find_position(*object, "")) + ": " +
                     config::to_string(name) + " comes from " + Sources::title(*owner) + " (" +
                     owner->location() + "), which cannot be written; change it there");
  }
  if (refused(plan.reply)) return plan;
  plan.change.trial = std::chrono::milliseconds(request.trial_ms());
  plan.change.to = merge(plan.change.before.set, added.set, plan.reply);
  if (!request.prune_selector().empty()) {
    MESH_TRY(const auto selector, config::Selector::parse(request.prune_selector()));
    for (const auto& [name, object] : plan.change.before.set.objects()) {
      if (!selector.matches(*object) || added.set.find(name) != nullptr) continue;
      plan.change.to.remove(name);
      add_change(plan.reply, name, v1::Change::DELETED);
    }
    for (const auto& [name, object] : added.set.objects())
      if (!selector.matches(*object))
        add_problems(plan.reply,
                     {config::to_string(object->file(), config::find_position(*object, "")) + ": " +
                      config::to_string(name) + " has not the labels " + request.prune_selector() +
                      ": a later --prune will not find it"},
                     true);
  }
  check(plan);
  return plan;
}

Result<Service::Plan> Service::plan_delete(const v1::DeleteRequest& request,
                                           const bus::Peer& peer) {
  MESH_TRY(Plan plan, begin("delete", request.if_generation(), peer));
  plan.change.to = plan.change.before.set;
  for (const std::string& text : request.objects()) {
    MESH_TRY(const config::Name name, config::parse_name(text));
    const bool there = plan.change.to.remove(name);
    add_change(plan.reply, name, there ? v1::Change::DELETED : v1::Change::NOT_FOUND);
    const auto* const found = there ? nullptr : configuration_.set().find(name);
    if (found == nullptr) continue;
    if (const auto* const owner = configuration_.sources().owner_of(*found);
        owner != nullptr && owner != configuration_.sources().writable())
      refuse(plan, config::to_string(name) + " comes from " + Sources::title(*owner) + " (" +
                       owner->location() + "), which cannot be written; delete it there");
  }
  if (!refused(plan.reply)) check(plan);
  return plan;
}

// What other sources have stays: they alone say what it is.
Result<Service::Plan> Service::plan_rollback(const v1::RollbackRequest& request,
                                             const bus::Peer& peer) {
  MESH_TRY(const auto record, configuration_.store().resolve(request.generation()));
  MESH_TRY(const config::ObjectSet then, configuration_.store().load(record.generation));
  MESH_TRY(Plan plan, begin("rollback", request.if_generation(), peer));
  if (refused(plan.reply)) return plan;
  const config::Source* const source = configuration_.sources().writable();
  for (const auto& [name, object] : then.objects())
    if (object->source() == source->name()) plan.change.to.put(name, object);
  for (const auto& [name, object] : plan.change.before.set.objects())
    if (plan.change.to.find_ref(name).same_meaning(object)) plan.change.to.put(name, object);
  check(plan);
  const config::Diff diff = config::diff(configuration_.set(), plan.set);
  add_changes(*plan.reply.mutable_changes(), diff, plan.set.size() + configuration_.set().size());
  const config::Diff left = config::diff(plan.set, then);
  for (const auto* const names : {&left.created, &left.configured, &left.deleted})
    for (const config::Name& name : *names)
      add_problems(plan.reply,
                   {config::to_string(name) +
                    " is not as it was then: its source cannot be written from here"},
                   true);
  return plan;
}

void Service::check(Plan& plan) {
  std::vector<std::string> errors;
  if (const config::Source* const source = configuration_.sources().writable(); source != nullptr)
    plan.set = configuration_.sources().with(*source, plan.change.to, errors);
  add_problems(plan.reply, errors, false);
  check(plan.set, plan.reply);
}

void Service::check(const config::ObjectSet& set, v1::ChangeReply& reply) {
  const config::SetProblems problems = configuration_.sources().check(set);
  add_problems(reply, problems.errors, false);
  add_problems(reply, problems.warnings, true);
}

void Service::carry_out(Plan plan, bool dry_run, bool want_objects, ReplyChange reply) {
  if (refused(plan.reply)) return reply(plan.reply);
  if (dry_run) {
    plan.reply.set_generation(plan.set.generation());
    if (want_objects) {
      const config::Diff diff = config::diff(configuration_.set(), plan.set);
      for (const auto* const names : {&diff.created, &diff.configured})
        for (const config::Name& name : *names) *plan.reply.add_objects() = *plan.set.find(name);
    }
    return reply(plan.reply);
  }
  const auto origin = plan.change.origin;
  auto later = std::make_shared<ReplyChange>(std::move(reply));
  configuration_.change(std::move(plan.change), [this, told = std::move(plan.reply), origin,
                                                 later](Result<void> done) mutable {
    if (done && origin.how == "rollback") done = configuration_.confirm();
    if (!done) return (*later)(std::move(done).error());
    told.set_generation(configuration_.generation());
    const Trial& trial = configuration_.trial();
    if (trial.on()) told.set_trial_until_unix_ms(trial.state().until_unix_ms());
    log::info("changed", {{"how", origin.how},
                          {"generation", configuration_.generation()},
                          {"uid", origin.uid.value_or(0)}});
    (*later)(std::move(told));
  });
}

void Service::apply(const v1::ApplyRequest& request, const bus::Peer& peer, ReplyChange reply) {
  auto plan = plan_apply(request, peer);
  if (!plan) return reply(std::move(plan).error());
  carry_out(*std::move(plan), request.dry_run(), request.want_objects(), std::move(reply));
}

void Service::remove(const v1::DeleteRequest& request, const bus::Peer& peer, ReplyChange reply) {
  auto plan = plan_delete(request, peer);
  if (!plan) return reply(std::move(plan).error());
  carry_out(*std::move(plan), request.dry_run(), false, std::move(reply));
}

void Service::rollback(const v1::RollbackRequest& request, const bus::Peer& peer,
                       ReplyChange reply) {
  auto plan = plan_rollback(request, peer);
  if (!plan) return reply(std::move(plan).error());
  carry_out(*std::move(plan), request.dry_run(), request.want_objects(), std::move(reply));
}

}  // namespace mesh::configd
