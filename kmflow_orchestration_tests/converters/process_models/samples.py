"""Process models as their tools write them, small."""

from __future__ import annotations

import base64
import io
import zipfile
import zlib
from urllib.parse import quote

BPMN = """<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI"
    xmlns:dc="http://www.omg.org/spec/DD/20100524/DC" xmlns:vendor="http://vendor.example/ns"
    targetNamespace="http://example.com" name="Loans" exporter="Modeler" exporterVersion="5.1">
  <bpmn:collaboration id="c">
    <bpmn:participant id="bank" name="Bank" processRef="lending"/>
    <bpmn:participant id="customer" name="Customer"/>
    <bpmn:messageFlow id="m1" name="application" sourceRef="customer" targetRef="received"/>
  </bpmn:collaboration>
  <bpmn:message id="msg" name="Application"/>
  <bpmn:process id="lending" isExecutable="false">
    <bpmn:documentation>How a loan is granted.</bpmn:documentation>
    <bpmn:laneSet id="ls">
      <bpmn:lane id="l1" name="Sales">
        <bpmn:flowNodeRef>received</bpmn:flowNodeRef><bpmn:flowNodeRef>check</bpmn:flowNodeRef>
      </bpmn:lane>
      <bpmn:lane id="l2" name="Risk">
        <bpmn:flowNodeRef>decide</bpmn:flowNodeRef><bpmn:flowNodeRef>sub</bpmn:flowNodeRef>
      </bpmn:lane>
    </bpmn:laneSet>
    <bpmn:endEvent id="end" name="Rejected"/>
    <bpmn:exclusiveGateway id="decide" name="Amount?" default="f4"/>
    <bpmn:userTask id="check" name="Check &amp; complete&#10;application">
      <bpmn:documentation>Two people look at it.</bpmn:documentation>
      <bpmn:extensionElements>
        <vendor:form key="loan"><vendor:field id="amount"/></vendor:form>
      </bpmn:extensionElements>
      <bpmn:dataOutputAssociation id="d1"><bpmn:targetRef>file</bpmn:targetRef>
      </bpmn:dataOutputAssociation>
    </bpmn:userTask>
    <bpmn:startEvent id="received" name="Application received">
      <bpmn:messageEventDefinition id="x" messageRef="msg"/>
    </bpmn:startEvent>
    <bpmn:subProcess id="sub" name="Review">
      <bpmn:serviceTask id="score" name="Score"/>
    </bpmn:subProcess>
    <bpmn:boundaryEvent id="late" name="Late" attachedToRef="sub">
      <bpmn:timerEventDefinition id="t"><bpmn:timeDuration>P3D</bpmn:timeDuration>
      </bpmn:timerEventDefinition>
    </bpmn:boundaryEvent>
    <bpmn:dataObjectReference id="file" name="Loan file"/>
    <bpmn:textAnnotation id="note"><bpmn:text>Limits are old.</bpmn:text></bpmn:textAnnotation>
    <bpmn:association id="a1" sourceRef="note" targetRef="f3"/>
    <bpmn:sequenceFlow id="f1" sourceRef="received" targetRef="check"/>
    <bpmn:sequenceFlow id="f2" sourceRef="check" targetRef="decide"/>
    <bpmn:sequenceFlow id="f3" name="large" sourceRef="decide" targetRef="sub">
      <bpmn:conditionExpression>amount &gt; 1000</bpmn:conditionExpression>
    </bpmn:sequenceFlow>
    <bpmn:sequenceFlow id="f4" sourceRef="decide" targetRef="end"/>
    <bpmn:sequenceFlow id="f5" sourceRef="late" targetRef="gone"/>
  </bpmn:process>
  <bpmndi:BPMNDiagram><bpmndi:BPMNPlane bpmnElement="c">
    <bpmndi:BPMNShape bpmnElement="check"><dc:Bounds x="10" y="20.5" width="100" height="80"/>
    </bpmndi:BPMNShape>
    <bpmndi:BPMNShape bpmnElement="decide"><dc:Bounds x="ten"/></bpmndi:BPMNShape>
  </bpmndi:BPMNPlane></bpmndi:BPMNDiagram>
</bpmn:definitions>
"""

DMN = """<?xml version="1.0"?>
<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="d" name="Pricing">
  <inputData id="amount" name="Amount"/>
  <decision id="rate" name="Rate">
    <question>Which rate?</question>
    <informationRequirement id="r1"><requiredInput href="#amount"/></informationRequirement>
    <informationRequirement id="r2"><requiredInput href="#nobody"/></informationRequirement>
    <decisionTable hitPolicy="COLLECT" aggregation="MAX">
      <input id="i1" label="Amount"><inputExpression><text>amount</text></inputExpression></input>
      <input id="i2"><inputExpression><text>grade</text></inputExpression></input>
      <output id="o1" name="rate"/>
      <rule id="x"><inputEntry><text>&lt; 1000</text></inputEntry>
        <inputEntry><text>"A"</text></inputEntry>
        <outputEntry><text>0.05</text></outputEntry>
        <annotationEntry><text>small</text></annotationEntry></rule>
      <rule id="y"><inputEntry><text>&gt;= 1000</text></inputEntry>
        <inputEntry><text>-</text></inputEntry>
        <outputEntry><text>0.04</text></outputEntry></rule>
    </decisionTable>
  </decision>
  <decision id="fee" name="Fee">
    <literalExpression><text>rate * amount</text></literalExpression>
  </decision>
</definitions>
"""

_GRAPH = """<mxGraphModel><root><mxCell id="0"/><mxCell id="1" value="Layer 1" parent="0"/>
<mxCell id="p" value="Warehouse" style="swimlane;html=1;" vertex="1" parent="1"/>
<mxCell id="l" value="Picking" style="swimlane;" vertex="1" parent="p"/>
<mxCell id="a" value="&lt;b&gt;Pick&lt;/b&gt;&lt;br&gt;goods" style="rounded=1;"
  vertex="1" parent="l">
 <mxGeometry x="5" y="6" width="70" height="30" as="geometry"/></mxCell>
<object label="Pack" owner="Team B" id="b"><mxCell style="rhombus;" vertex="1" parent="l"/></object>
<mxCell id="e" edge="1" parent="l" source="a" target="b"/>
<mxCell id="t" value="in time" style="edgeLabel;" vertex="1" parent="e"/>
<mxCell id="loose" value="lost" edge="1" parent="l" source="b"/>
</root></mxGraphModel>"""


def packed(graph: str) -> str:
    """A page as draw.io compresses it."""
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    content = compressor.compress(quote(graph, safe="").encode()) + compressor.flush()
    return base64.b64encode(content).decode()


DRAWIO = (
    f'<mxfile host="app"><diagram name="Shipping" id="d1">{packed(_GRAPH)}</diagram>'
    '<diagram name="Returns" id="d2"><mxGraphModel><root><mxCell id="0"/>'
    '<mxCell id="1" parent="0"/><mxCell id="a" value="Inspect" vertex="1" parent="1"/>'
    "</root></mxGraphModel></diagram></mxfile>"
)

_VISIO = 'xmlns="http://schemas.microsoft.com/office/visio/2012/main"'
_R = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"


def visio(page: str = "") -> bytes:
    """A drawing of one page with two shapes and a connector glued to both."""
    default = f"""<PageContents {_VISIO}><Shapes>
<Shape ID="1" Master="2"><Cell N="PinX" V="1.5"/><Text>Receive <cp IX="0"/>order</Text>
 <Section N="Property"><Row N="Row_1"><Cell N="Value" V="Ops"/><Cell N="Label" V="Owner"/>
 </Row></Section>
</Shape>
<Shape ID="5" Type="Group">
<Shapes><Shape ID="6" NameU="Note.6"><Text>inside</Text></Shape></Shapes></Shape>
<Shape ID="3" Master="2"/>
<Shape ID="4" NameU="Dynamic connector"><Cell N="BeginX" V="1"/><Text>then</Text></Shape>
<Shape ID="7" NameU="Dynamic connector.7"><Cell N="BeginX" V="1"/></Shape>
</Shapes><Connects><Connect FromSheet="4" FromCell="BeginX" ToSheet="1"/>
<Connect FromSheet="4" FromCell="EndX" ToSheet="3"/>
<Connect FromSheet="7" FromCell="BeginX" ToSheet="3"/></Connects></PageContents>"""
    relation = f'<Relationships xmlns="{_RELATIONS}"><Relationship Id="rId1" Target='
    parts = {
        "_rels/.rels": (
            f'<Relationships xmlns="{_RELATIONS}"><Relationship Id="rId1" '
            'Type="x/core-properties" Target="docProps/core.xml"/></Relationships>'
        ),
        "visio/document.xml": f"<VisioDocument {_VISIO}/>",
        "visio/pages/pages.xml": (
            f'<Pages {_VISIO} {_R}><Page ID="0" Name="Order"><Rel r:id="rId1"/></Page></Pages>'
        ),
        "visio/pages/_rels/pages.xml.rels": f'{relation}"page1.xml"/></Relationships>',
        "visio/pages/page1.xml": page or default,
        "visio/masters/masters.xml": (
            f'<Masters {_VISIO} {_R}><Master ID="2" Name="Process"><Rel r:id="rId1"/></Master>'
            "</Masters>"
        ),
        "visio/masters/_rels/masters.xml.rels": f'{relation}"master1.xml"/></Relationships>',
        "visio/masters/master1.xml": (
            f'<MasterContents {_VISIO}><Shapes><Shape ID="5"><Text>Step</Text></Shape></Shapes>'
            "</MasterContents>"
        ),
        "docProps/core.xml": (
            "<coreProperties><title>Orders</title><creator>Ann</creator></coreProperties>"
        ),
    }
    packed_parts = io.BytesIO()
    with zipfile.ZipFile(packed_parts, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in parts.items():
            target.writestr(name, content)
    return packed_parts.getvalue()
