#[test]
fn every_point_has_its_site_with_the_documented_arguments() {
    let expected = [
        ("agent.delegate", vec!["from", "to", "input"]),
        ("agent.execute", vec!["agent", "input"]),
        ("agent.fail", vec!["agent", "from", "to", "reason"]),
        ("agent.init", vec!["agent", "from", "to", "reason"]),
        ("agent.pause", vec!["agent", "from", "to", "reason"]),
        ("agent.recover", vec!["agent", "from", "to", "reason"]),
        ("agent.resume", vec!["agent", "from", "to", "reason"]),
        ("agent.start", vec!["agent", "from", "to", "reason"]),
        ("agent.stop", vec!["agent", "from", "to", "reason"]),
        ("agent.transition", vec!["agent", "from", "to", "reason"]),
        ("model.request", vec!["agent", "request"]),
        ("system.limit", vec!["agent", "limit", "allowed", "used"]),
    ];
    for (point, args) in expected {
        let sites: Vec<_> = hooks_runtime::sites()
            .into_iter()
            .map(|site| site.info())
            .filter(|site| site.point == point && site.package == "hooks-agents")
            .collect();
        // One function each; `agent.transition` has one that can refuse and two that can only be watched.
        assert_eq!(
            sites.len(),
            if point == "agent.transition" { 3 } else { 1 },
            "{point}"
        );
        for site in sites {
            assert_eq!(
                site.args.iter().map(|a| a.name).collect::<Vec<_>>(),
                args,
                "{}",
                site.path
            );
        }
    }
}
