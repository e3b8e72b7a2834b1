"""The bridge in the template: off by default, and on with just the rights that it needs."""

import json
import re

from tests.scenes.template_expansion import Json, of_type


def kafka_mappings(stack: Json) -> dict[str, Json]:
    """Return the event source mappings of Kafka, whole."""
    kind = "AWS::Lambda::EventSourceMapping"
    return {n: r for n, r in stack["Resources"].items() if r["Type"] == kind and "Topics" in r["Properties"]}


def test_all_that_is_of_the_bridge_is_off_by_default(stack: Json) -> None:
    assert stack["Parameters"]["KafkaBridge"]["Default"] == "off"
    assert stack["Conditions"]["HasBridge"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "KafkaBridge"}, "off"]}]}
    for name, resource in stack["Resources"].items():
        if name.startswith("Bridge"):
            assert resource["Condition"] == "HasBridge" or resource["Condition"].startswith("HasKafkaTopic"), name
        else:
            text = re.sub(r'\{"Fn::If": \["HasBridge", .*?\]\}', "", json.dumps(resource))
            assert not re.search(r"Bridge(Function|Logs|Role|\w+Alarm)\b", text), name


def test_each_topic_has_a_mapping_of_its_own_with_its_own_group_from_the_first_record_on(stack: Json) -> None:
    mappings = kafka_mappings(stack)
    assert len(mappings) == 8
    for number, mapping in enumerate(mappings[f"BridgeTopic{number}"] for number in range(1, 9)):
        properties = mapping["Properties"]
        (topic,) = properties["Topics"]
        assert topic["Fn::Select"][0] == number
        assert mapping["Condition"] == f"HasKafkaTopic{number + 1}"
        assert json.dumps(topic) in json.dumps(stack["Conditions"][f"HasKafkaTopic{number + 1}"])
        assert properties["StartingPosition"] == "TRIM_HORIZON"
        for config in ("AmazonManagedKafkaEventSourceConfig", "SelfManagedKafkaEventSourceConfig"):
            assert json.dumps(topic) in json.dumps(properties[config])
        own = {key for key in properties if key.endswith("KafkaEventSourceConfig")} | {"Topics"}
        first = mappings["BridgeTopic1"]["Properties"]
        assert {key: first[key] for key in first.keys() - own} == {
            key: properties[key] for key in properties.keys() - own
        }


def test_the_bridge_sends_the_platforms_facts_and_nothing_in_the_name_of_this_service(stack: Json) -> None:
    (policy,) = of_type(stack, "AWS::IAM::Role")["BridgeRole"]["Policies"]
    (put,) = (s for s in policy["PolicyDocument"]["Statement"] if s.get("Action") == "events:PutEvents")
    assert put["Resource"] == {"Fn::GetAtt": ["Bus", "Arn"]}
    assert put["Condition"] == {
        "StringLike": {"events:detail-type": "org.openedx.learning.*"},
        "ForAllValues:StringNotLike": {"events:source": "course-certificates*"},
    }


def test_the_bridge_needs_a_cluster_and_a_topic(stack: Json) -> None:
    rule = stack["Rules"]["Bridge"]
    assert rule["RuleCondition"] == stack["Conditions"]["HasBridge"]
    assert {"Ref": "KafkaCluster"} in rule["Assertions"][0]["Assert"]["Fn::And"][0]["Fn::Not"][0]["Fn::Equals"]
    assert {"Ref": "KafkaTopics"} in rule["Assertions"][0]["Assert"]["Fn::And"][1]["Fn::Not"][0]["Fn::Equals"]
