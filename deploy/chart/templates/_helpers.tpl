{{/* SPDX-License-Identifier: Apache-2.0 */}}
{{- define "netdoc.name" -}}
{{ ternary .Release.Name (printf "%s-netdoc" .Release.Name) (contains "netdoc" .Release.Name) | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "netdoc.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "netdoc.labels" -}}
{{ include "netdoc.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* The flags that both ways to run have in common. */}}
{{- define "netdoc.flags" -}}
{{- if .Values.lease }}
- --lease
{{- end }}
{{- if .Values.events }}
- --events
{{- end }}
- --keep=/reports
- --keep-last={{ .Values.keep.last }}
{{- if eq .Values.tier "api" }}
- --no-pods
{{- else }}
- --pod-namespace={{ .Release.Namespace }}
{{- end }}
{{- if eq .Values.tier "nodes" }}
- --node-checks
{{- else if eq .Values.tier "privileged" }}
- --privileged
{{- end }}
{{- with .Values.debugImage }}
- --image={{ . }}
{{- end }}
{{- range .Values.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end }}

{{/* The pod of both, but for its flags and ports. */}}
{{- define "netdoc.pod" -}}
serviceAccountName: {{ include "netdoc.name" . }}
automountServiceAccountToken: true
enableServiceLinks: false
terminationGracePeriodSeconds: 60
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65534
  runAsGroup: 65534
  fsGroup: 65534
  seccompProfile: {type: RuntimeDefault}
volumes:
- name: reports
{{- if .Values.keep.persistent }}
  persistentVolumeClaim: {claimName: {{ include "netdoc.name" . }}-reports}
{{- else }}
  emptyDir: {sizeLimit: {{ .Values.keep.size }}}
{{- end }}
- name: tmp
  emptyDir: {sizeLimit: 64Mi}
{{- end }}

{{- define "netdoc.container" -}}
name: netdoc
image: {{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
resources: {{ toYaml .Values.resources | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  capabilities: {drop: [ALL]}
  readOnlyRootFilesystem: true
volumeMounts:
- {name: reports, mountPath: /reports}
- {name: tmp, mountPath: /tmp}
{{- end }}
